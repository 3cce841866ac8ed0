//! The scenarios against a real Odoo 19: proof that the fake is one.

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Server, scenarios};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The server, for this test alone: its polls see everything that anybody writes.
struct Real {
    server: Server,
    _alone: MutexGuard<'static, ()>,
}

impl std::ops::Deref for Real {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

fn server() -> Real {
    let variable = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: start an Odoo with `tests/servers/odoo-up.sh`, then `eval \"$(tests/servers/odoo-up.sh env)\"`")
        })
    };
    let server = Server::new(&variable("PATCHBAY_ODOO_URL"), &variable("PATCHBAY_ODOO_DATABASE"), &variable("PATCHBAY_ODOO_KEY"));
    Real { server, _alone: ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner) }
}

#[test]
fn a_new_lead_arrives_with_all_that_is_known() {
    scenarios::a_new_lead_arrives_with_all_that_is_known(&server());
}

#[test]
fn mapped_fields_are_written_instead_of_the_connectors_own() {
    scenarios::mapped_fields_are_written_instead_of_the_connectors_own(&server());
}

#[test]
fn a_plan_says_what_would_be_written_and_writes_nothing() {
    scenarios::a_plan_says_what_would_be_written_and_writes_nothing(&server());
}

#[test]
fn the_fields_to_choose_from_are_told() {
    scenarios::the_fields_to_choose_from_are_told(&server());
}

#[test]
fn a_lost_answer_does_not_double_a_lead() {
    scenarios::a_lost_answer_does_not_double_a_lead(&server());
}

#[test]
fn an_open_record_of_the_person_is_joined() {
    scenarios::an_open_record_of_the_person_is_joined(&server());
}

#[test]
fn a_closed_record_is_not_joined() {
    scenarios::a_closed_record_is_not_joined(&server());
}

#[test]
fn what_people_changed_in_odoo_stays() {
    scenarios::what_people_changed_in_odoo_stays(&server());
}

#[test]
fn stages_follow_the_hub() {
    scenarios::stages_follow_the_hub(&server());
}

#[test]
fn a_stage_that_odoo_does_not_have_is_an_error_of_the_configuration() {
    scenarios::a_stage_that_odoo_does_not_have_is_an_error_of_the_configuration(&server());
}

#[test]
fn the_responsible_person_is_found_by_login_name_or_mapping() {
    scenarios::the_responsible_person_is_found_by_login_name_or_mapping(&server());
}

#[test]
fn notes_are_written_once_and_escaped() {
    scenarios::notes_are_written_once_and_escaped(&server());
}

#[test]
fn the_next_contact_is_one_activity() {
    scenarios::the_next_contact_is_one_activity(&server());
}

#[test]
fn a_deleted_record_comes_back_or_stops() {
    scenarios::a_deleted_record_comes_back_or_stops(&server());
}

#[test]
fn a_merged_record_is_followed() {
    scenarios::a_merged_record_is_followed(&server());
}

#[test]
fn records_of_one_person_are_merged_where_the_connection_wants_it() {
    scenarios::records_of_one_person_are_merged_where_the_connection_wants_it(&server());
}

#[test]
fn a_record_that_is_gone_before_it_is_merged_is_asked_for_anew() {
    scenarios::a_record_that_is_gone_before_it_is_merged_is_asked_for_anew(&server());
}

#[test]
fn a_batch_is_made_at_once_and_fails_one_by_one() {
    scenarios::a_batch_is_made_at_once_and_fails_one_by_one(&server());
}

#[test]
fn a_field_that_is_settled_is_written_over_and_what_stood_there_is_told() {
    scenarios::a_field_that_is_settled_is_written_over_and_what_stood_there_is_told(&server());
}

#[test]
fn the_poll_tells_every_change_and_then_is_quiet() {
    scenarios::the_poll_tells_every_change_and_then_is_quiet(&server());
}

#[test]
fn a_record_tells_whose_it_is_and_a_merge_of_customers_is_noticed() {
    scenarios::a_record_tells_whose_it_is_and_a_merge_of_customers_is_noticed(&server());
}

#[test]
fn an_import_tells_all_leads_and_customers_page_by_page() {
    scenarios::an_import_tells_all_leads_and_customers_page_by_page(&server());
}

#[test]
fn a_quiet_odoo_is_not_read_again_for_ever() {
    scenarios::a_quiet_odoo_is_not_read_again_for_ever(&server());
}

#[test]
fn the_check_says_who_and_what() {
    scenarios::the_check_says_who_and_what(&server());
}

#[test]
fn a_bad_key_and_a_bad_database_wait_for_a_person() {
    scenarios::a_bad_key_and_a_bad_database_wait_for_a_person(&server());
}

#[test]
fn odd_requests_get_odd_answers() {
    scenarios::odd_requests_get_odd_answers(&server());
}
