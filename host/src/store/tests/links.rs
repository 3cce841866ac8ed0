//! Links that tie a chat to whom they were made for.

use jiff::SignedDuration;
use patchbay_schemas::Timestamp;

use super::*;
use crate::ids::{ContactId, LinkId};
use crate::rules::identity::IdentityKey;
use crate::rules::link::Whom;
use crate::store::links::NewLink;

impl World {
    async fn make_link(&self, new: NewLink) -> (LinkId, String) {
        let link = self.store.create_link(self.origin.workspace, self.origin.connection, new).await.unwrap().unwrap();
        (link.id, link.token)
    }

    /// Somebody opens a link.
    fn opens(&self, key: &str, name: &str, account: &str, token: &str) -> Intake {
        let mut intake = self.says(key, name, vec![Identity::handle(account)]);
        if let Reading::Events(events) = &mut intake.reading
            && let Ok(EventBody::Message(it)) = &mut events[0].body
        {
            it.source.start = Some(token.to_owned());
        }
        intake
    }

    async fn count(&self) -> usize {
        self.store.contacts(self.origin.workspace, None, None, 100).await.unwrap().len()
    }

    async fn anna(&self) -> ContactId {
        self.ingest(&[self.says("form", "Анна Петрова", vec![Identity::phone("+79123456789")])]).await;
        self.store.contacts(self.origin.workspace, None, None, 1).await.unwrap()[0].id.parse().unwrap()
    }
}

fn for_person(contact: ContactId) -> NewLink {
    NewLink { whom: Whom::Person { contact, lead: None }, uses: Some(1), ..NewLink::default() }
}

#[test]
fn who_opens_a_fresh_link_once_is_whom_it_was_made_for_and_the_matcher_agrees() {
    on_both("linkonce", |world| async move {
        let workspace = world.origin.workspace;
        let anna = world.anna().await;
        let lead = world.store.leads(workspace, &LeadFilter::default(), None, 1).await.unwrap()[0].id.parse().unwrap();
        let whom = Whom::Person { contact: anna, lead: Some(lead) };
        let (id, token) = world.make_link(NewLink { whom, uses: Some(1), ..NewLink::default() }).await;
        assert_eq!(
            world.ingest(&[world.opens("1", "Anna", "4815162342", &token), world.opens("1", "Anna", "4815162342", &token)]).await.len(),
            2
        );
        assert_eq!(world.count().await, 1);
        let why = world.store.lead_why(workspace, lead).await.unwrap().unwrap();
        assert_eq!(why.interactions[0].rule, Some(format!("link {id}")));
        let (link, opened) = world.store.link(workspace, id).await.unwrap().unwrap();
        assert_eq!((link.used, opened.len()), (1, 1), "a repeat uses nothing up");
        let shown = world.store.contact(workspace, anna).await.unwrap().unwrap();
        assert!(shown.identities.len() == 2 && shown.identities.iter().all(|it| !it.value.contains("lnk_")), "{:?}", shown.identities);
        let mut matcher = crate::people::Matcher::new(&world.store, workspace, "hub", "RU");
        while let crate::people::Round::Looked(_) = matcher.round(&world.contexts[&workspace]).await.unwrap() {}
        assert_eq!(world.count().await, 1, "whom it tied is one person for the matcher too");
        // It was passed on: the next one is somebody else.
        world.ingest(&[world.opens("2", "Пётр", "777000111", &token)]).await;
        assert_eq!(world.count().await, 2);
        world.ingest(&[world.opens("3", "Anna", "4815162342", &token)]).await;
        assert_eq!(world.count().await, 2);
        world.assert_sound().await;
    });
}

#[test]
fn an_open_lead_has_the_campaign_of_the_link_that_its_person_opens_unless_one_is_known() {
    on_both("linkcampaign", |world| async move {
        let workspace = world.origin.workspace;
        world.anna().await;
        let source = |campaign: &str| Source { utm: [("campaign".to_owned(), campaign.to_owned())].into(), ..Source::default() };
        let lead = async || world.store.leads(workspace, &LeadFilter::default(), None, 2).await.unwrap();
        let upserts = async || {
            let filter = Filter { limit: 100, ..Filter::default() };
            world.store.outbox(workspace, &filter).await.unwrap().iter().filter(|it| it.kind == "lead.upsert").count()
        };
        // She wrote before she opened anything.
        let phone = || vec![Identity::handle("4815162342"), Identity::phone("+79123456789")];
        world.ingest(&[world.says("1", "Анна Петрова", phone())]).await;
        let told = upserts().await;
        for campaign in ["expo", "later"] {
            let (_, token) = world.make_link(NewLink { source: source(campaign), ..NewLink::default() }).await;
            world.ingest(&[world.opens(campaign, "Анна Петрова", "4815162342", &token)]).await;
        }
        let leads = lead().await;
        assert_eq!((leads.len(), leads[0].source.origin.utm.clone()), (1, source("expo").utm));
        assert!(upserts().await > told, "the sinks hear of it");
        world.assert_sound().await;
    });
}

#[test]
fn a_link_that_may_have_been_passed_on_merges_nobody_silently() {
    on_both("linkask", |world| async move {
        let workspace = world.origin.workspace;
        let anna = world.anna().await;
        let asked = async || world.store.questions(workspace, "open", None, 10).await.unwrap();
        // Somebody with another name opens it.
        let (_, token) = world.make_link(for_person(anna)).await;
        world.ingest(&[world.opens("1", "Игорь Кузнецов", "777000111", &token)]).await;
        assert_eq!((world.count().await, asked().await.len()), (2, 1));
        assert_eq!(asked().await[0].asked_by, "link");
        // One that many may open, and one that is old.
        let (_, many) = world.make_link(NewLink { uses: None, ..for_person(anna) }).await;
        let (_, old) = world.make_link(for_person(anna)).await;
        let late =
            Intake { received_at: world.store.clock.now() + SignedDuration::from_hours(25), ..world.opens("3", "", "777000333", &old) };
        world.ingest(&[world.opens("2", "", "777000222", &many), late]).await;
        assert_eq!((world.count().await, asked().await.len()), (4, 3));
        let mut matcher = crate::people::Matcher::new(&world.store, workspace, "hub", "RU");
        while let crate::people::Round::Looked(_) = matcher.round(&world.contexts[&workspace]).await.unwrap() {}
        assert_eq!(
            (world.count().await, asked().await.iter().filter(|it| it.asked_by == "link").count()),
            (4, 3),
            "the matcher takes none away"
        );
        world.assert_sound().await;
    });
}

#[test]
fn a_visitors_link_that_somebody_else_opened_merges_nobody_silently() {
    on_both("linkvisitor", |world| async move {
        let workspace = world.origin.workspace;
        world.ingest(&[world.says("form", "Анна Петрова", vec![Identity::handle("visitor-4815")])]).await;
        let visitor = || IdentityKey { kind: patchbay_schemas::IdentityKind::Handle, value: "telegram:visitor-4815".to_owned() };
        let link = |uses| NewLink { whom: Whom::Visitor(visitor()), uses, ..NewLink::default() };
        let (_, once) = world.make_link(link(Some(1))).await;
        let (_, many) = world.make_link(link(None)).await;
        world.ingest(&[world.opens("1", "Игорь Кузнецов", "777000111", &once), world.opens("2", "", "777000222", &many)]).await;
        let mut matcher = crate::people::Matcher::new(&world.store, workspace, "hub", "RU");
        while let crate::people::Round::Looked(_) = matcher.round(&world.contexts[&workspace]).await.unwrap() {}
        assert_eq!(world.count().await, 3);
        assert_eq!(world.store.questions(workspace, "open", None, 10).await.unwrap().len(), 1, "the one who opened hers");
        world.assert_sound().await;
    });
}

#[test]
fn a_link_of_a_campaign_gives_the_lead_its_source_and_ends_when_it_expires_or_is_taken_back() {
    on_both("linkcampaign", |world| async move {
        let workspace = world.origin.workspace;
        let source = Source {
            utm: BTreeMap::from([("campaign".to_owned(), "expo".to_owned())]),
            page: Some("https://x/expo".to_owned()),
            ..Source::default()
        };
        let expires_at: Option<Timestamp> = Some(world.store.clock.now() + SignedDuration::from_hours(1));
        let (id, token) = world.make_link(NewLink { source, expires_at, ..NewLink::default() }).await;
        let late =
            Intake { received_at: world.store.clock.now() + SignedDuration::from_hours(2), ..world.opens("3", "", "777000333", &token) };
        let mut written = world.says("2", "", vec![Identity::handle("777000222")]);
        if let Reading::Events(events) = &mut written.reading
            && let Ok(EventBody::Message(it)) = &mut events[0].body
        {
            it.text = Some(format!("Здравствуйте! {token}"));
        }
        world.ingest(&[world.opens("1", "", "777000111", &token), written]).await;
        world.ingest(&[late]).await;
        let campaigns = async || {
            let leads = world.store.leads(workspace, &LeadFilter::default(), None, 10).await.unwrap();
            leads.iter().rev().map(|it| it.source.origin.utm.get("campaign").cloned().unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(campaigns().await, ["expo", "expo", ""]);
        assert!(world.store.revoke_link(workspace, id).await.unwrap() && !world.store.revoke_link(workspace, id).await.unwrap());
        world.ingest(&[world.opens("4", "", "777000444", &token)]).await;
        assert_eq!(campaigns().await[3], "");
        let (link, opened) = world.store.link(workspace, id).await.unwrap().unwrap();
        assert_eq!((link.used, opened.len(), link.revoked_at.is_some()), (2, 2, true));
        let other = world.store.further_workspace("Other", "DE").await.unwrap();
        assert!(world.store.link(other, id).await.unwrap().is_none() && world.store.links(other, None, 10).await.unwrap().is_empty());
        world.assert_sound().await;
    });
}

#[test]
fn a_visitor_who_moves_to_a_messenger_stays_one_person_whether_the_form_comes_first_or_last() {
    for form_first in [true, false] {
        on_both(if form_first { "visitor1" } else { "visitor2" }, |world| async move {
            let workspace = world.origin.workspace;
            // The site's forms name the visitor as this connection would.
            let visitor = IdentityKey { kind: patchbay_schemas::IdentityKind::Handle, value: "telegram:visitor-4815".to_owned() };
            let (_, token) = world.make_link(NewLink { whom: Whom::Visitor(visitor), uses: Some(1), ..NewLink::default() }).await;
            let form = world.says("form", "Анна Петрова", vec![Identity::handle("visitor-4815"), Identity::phone("+79123456789")]);
            let chat = world.opens("chat", "Anna", "777000111", &token);
            let order = if form_first { [form, chat] } else { [chat, form] };
            for intake in order {
                world.ingest(&[intake]).await;
            }
            assert_eq!(world.count().await, 1);
            assert_eq!(world.store.leads(workspace, &LeadFilter::default(), None, 10).await.unwrap().len(), 1);
            world.assert_sound().await;
        });
    }
}
