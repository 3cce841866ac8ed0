//! What re-estimated weights would change, beside what people decided.

use super::*;
use crate::people::{Agreement, Share, estimate_for};

fn share(agree: usize, of: usize) -> Share {
    Share { agree, of }
}

#[test]
fn what_people_decided_stands_whatever_weights_say_and_is_what_weights_are_held_against() {
    on_both("weightanswers", |world| async move {
        let workspace = world.origin.workspace;
        let context = &world.contexts[&workspace];
        let said =
            |key: &str, name: &str| world.says(key, name, vec![Identity::handle(key), Identity::email(format!("{key}@example.com"))]);
        // Two whom the weights take for one, and two of whom they know nothing.
        world.ingest(&[said("1", "Иван Щукин"), said("2", "Ivan Shchukin"), said("3", "Мария Орлова"), said("4", "Bob Smith")]).await;
        world.matches().await;
        let people = world.store.contacts(workspace, None, None, 10).await.unwrap();
        assert_eq!(people.len(), 3);
        let estimate = async || estimate_for(&world.store, workspace, "RU").await.unwrap().unwrap();
        let before = estimate().await;
        assert_eq!((before.people_before, before.people_after, before.moved), (3, 3, 0));
        assert_eq!(before.agrees_with_answers.estimated, Agreement::default(), "nobody decided anything");

        let called = |name: &str| people.iter().find(|it| it.name.as_deref() == Some(name)).unwrap().id.parse().unwrap();
        world.store.merge_contacts(workspace, (called("Мария Орлова"), called("Bob Smith")), "somebody", context).await.unwrap();
        let shchukin = people.iter().find(|it| it.identities.len() == 4).unwrap().id.parse().unwrap();
        let other = world.store.why(workspace, shchukin).await.unwrap().unwrap().sources[1].id;
        world.store.unmerge_contact(workspace, other, "somebody", context).await.unwrap();
        let after = estimate().await;
        assert_eq!((after.people_before, after.people_after, after.moved), (3, 3, 0), "two are one, and one is two, by any weights");
        let wrong = Agreement { same: share(0, 1), different: share(0, 1) };
        assert_eq!((after.agrees_with_answers.shipped, after.agrees_with_answers.estimated), (wrong, wrong));

        // What they find by themselves, said by somebody as well, agrees.
        world.store.merge_contacts(workspace, (shchukin, other), "somebody", context).await.unwrap();
        let agreed = estimate().await.agrees_with_answers.estimated;
        assert_eq!((agreed.same, agreed.different), (share(1, 2), share(0, 0)));
        world.assert_sound().await;
    });
}
