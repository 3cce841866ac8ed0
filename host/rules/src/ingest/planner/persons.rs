//! Whose an event is: contacts of sources, and people whom several of them are.

use patchbay_identity::compare::{Field, Level, Reason};
use patchbay_identity::same_name;
use patchbay_schemas::IdentityKind;

use super::super::plan::{Filled, NewContact, NewIdentity, NewMerge, NewVerdict, Redeemed};
use super::super::{AskedBy, ContactState, Holder, NewQuestion, Said, SaidIdentity};
use super::{Planner, Scene};
use crate::ids::ContactId;

impl Planner<'_> {
    /// The contact that says this, and true where something about the person is new.
    ///
    /// A source that says what it said before is the contact that it was. What it says for the first time is a new contact, which is joined at
    /// once to whom a strong identity points at, unless their names are those of two people. All else is for the matcher, which looks at
    /// everything and takes back what was joined here too soon.
    ///
    /// `talking_to` is who stands behind the conversation, and `unnamed` somebody without any identity who is this person for sure.
    pub(super) fn resolve(
        &mut self,
        scene: &Scene<'_>,
        said: &Said,
        talking_to: Option<ContactId>,
        unnamed: Option<ContactId>,
    ) -> (ContactId, bool) {
        let Some(first) = said.identities.first() else {
            let (contact, changed) = match talking_to {
                Some(contact) => (contact, self.fill(contact, said)),
                None => (self.meet(scene, said), true),
            };
            self.redeem(scene, contact, said);
            return (contact, changed);
        };
        let place = (scene.origin.workspace, first.key.clone(), said.fingerprint.clone());
        let known = self.known.records.get(&place).copied();
        let contact = known.unwrap_or_else(|| {
            let contact = self.meet(scene, said);
            self.known.records.insert(place, contact);
            self.point_at(scene, contact, said);
            self.join(scene, contact, said);
            contact
        });
        self.redeem(scene, contact, said);
        let unnamed = unnamed.filter(|it| self.known.shown(*it) != self.known.shown(contact));
        if let Some(unnamed) = unnamed {
            self.merge(scene, contact, unnamed, Vec::new());
            let verdict = NewVerdict { workspace: scene.origin.workspace, one: contact, other: unnamed, at: scene.received_at };
            self.plan.verdicts.push(verdict);
        }
        (contact, known.is_none() || unnamed.is_some())
    }

    /// Notes who opened a link; whoever does not turn out to be whom it was made for by that alone is asked about.
    fn redeem(&mut self, scene: &Scene<'_>, contact: ContactId, said: &Said) {
        let Some(tie) = &said.tie else { return };
        self.plan.redeemed.push(Redeemed { link: tie.link, event: scene.event, contact, at: scene.received_at });
        let place = tie.identity.clone().map(|it| (scene.origin.workspace, it));
        let holder = || place.as_ref().and_then(|it| self.known.identities.get(it)).map(|it| it.contact);
        let meant = tie.contact.or_else(holder).filter(|it| self.known.shown(*it) != self.known.shown(contact));
        let Some(meant) = meant else { return };
        if let Some((_, key)) = place {
            // An account is one person's to the matcher, whatever the names: this one must not speak for two.
            self.plan.identities.retain(|it| it.contact != contact || it.identity.key != key);
        }
        let (one, other) = (meant.min(contact), meant.max(contact));
        self.plan.questions.push(NewQuestion {
            id: self.ids.next(),
            workspace: scene.origin.workspace,
            one,
            other,
            asked_by: AskedBy::Link,
            at: scene.received_at,
        });
    }

    pub(super) fn meet(&mut self, scene: &Scene<'_>, said: &Said) -> ContactId {
        let id = self.ids.next();
        let Said { name, company, city, language, .. } = said.clone();
        self.plan.contacts.push(NewContact {
            id,
            workspace: scene.origin.workspace,
            connection: scene.origin.connection,
            says: Filled { name, company, city, language },
            reach: said.reach(),
            said_at: scene.occurred_at,
            created_at: scene.received_at,
            record_of: None,
            corrects: false,
        });
        self.known.contacts.insert(id, ContactState::of(said));
        id
    }

    /// Nothing points at this contact, so that the same said again cannot be told from something else: what it did not say yet, it says now.
    fn fill(&mut self, contact: ContactId, said: &Said) -> bool {
        let state = self.known.person_mut(contact);
        let name = said.name.clone().filter(|_| state.names.is_empty());
        let lacking = |known: &Option<String>, said: &Option<String>| said.clone().filter(|_| known.is_none());
        let filled = Filled {
            name,
            company: lacking(&state.company, &said.company),
            city: lacking(&state.city, &said.city),
            language: lacking(&state.language, &said.language),
        };
        if filled == Filled::default() {
            return false;
        }
        state.absorb(ContactState::of(said));
        match self.plan.contacts.iter_mut().rev().find(|it| it.id == contact) {
            Some(new) => new.says.fill(filled),
            None => self.plan.filled.entry(contact).or_default().fill(filled),
        }
        self.reshow(self.known.shown(contact));
        true
    }

    pub(super) fn point_at(&mut self, scene: &Scene<'_>, contact: ContactId, said: &Said) {
        let workspace = scene.origin.workspace;
        for identity in &said.identities {
            let holder = self.known.identities.entry((workspace, identity.key.clone())).or_insert(Holder { contact, shared: false });
            let (identity, shared) = (identity.clone(), holder.shared);
            self.plan.identities.push(NewIdentity { workspace, contact, said: said.fingerprint.clone(), identity, shared });
        }
    }

    /// Joins a new contact to whom its strong identities point at, and with it those people to one another.
    pub(super) fn join(&mut self, scene: &Scene<'_>, contact: ContactId, said: &Said) {
        for identity in said.identities.iter().filter(|it| it.is_strong()) {
            let Some(holder) = self.known.identities.get(&(scene.origin.workspace, identity.key.clone())).copied() else { continue };
            let (here, there) = (self.known.shown(contact), self.known.shown(holder.contact));
            if holder.shared || here == there {
                continue;
            }
            let alone = here == contact;
            let (Some(ours), Some(theirs)) = (self.known.contacts.get(&here), self.known.contacts.get(&there)) else { continue };
            let free = alone || !(ours.guarded || theirs.guarded);
            if free && ours.may_be(theirs) {
                self.merge(scene, contact, holder.contact, vec![reason(identity)]);
            }
        }
    }

    /// A person who was there before is shown otherwise from now on.
    pub(super) fn reshow(&mut self, shown: ContactId) {
        if !self.plan.contacts.iter().rev().any(|it| it.id == shown) {
            self.plan.reshown.insert(shown);
        }
    }

    /// Shows two people as one from now on. Nothing of either is changed, so that it can be taken back.
    pub(super) fn merge(&mut self, scene: &Scene<'_>, one: ContactId, other: ContactId, reasons: Vec<Reason>) {
        let (here, there) = (self.known.shown(one), self.known.shown(other));
        let (younger, older) = (here.max(there), here.min(there));
        let leads = |person: ContactId| self.known.contacts.get(&person).map(|it| it.leads.iter().copied().collect()).unwrap_or_default();
        let merge = NewMerge {
            id: self.ids.next(),
            workspace: scene.origin.workspace,
            from: one.max(other),
            into: one.min(other),
            reasons,
            at: scene.received_at,
            people: [younger, older].map(|it| (it, leads(it))),
        };
        self.plan.merges.push(merge);
        self.reshow(younger);
        self.reshow(older);
        for shown_by in self.known.shown_by.values_mut().filter(|it| **it == younger) {
            *shown_by = older;
        }
        self.known.shown_by.insert(younger, older);
        if !self.plan.contacts.iter().rev().any(|it| it.id == younger) {
            self.plan.moved.push((younger, older));
        }
        let joined = self.known.contacts.remove(&younger).unwrap_or_default();
        self.known.contacts.entry(older).or_default().absorb(joined);
    }
}

impl Filled {
    fn fill(&mut self, more: Self) {
        for (ours, theirs) in [
            (&mut self.name, more.name),
            (&mut self.company, more.company),
            (&mut self.city, more.city),
            (&mut self.language, more.language),
        ] {
            if ours.is_none() {
                *ours = theirs;
            }
        }
    }
}

impl ContactState {
    /// False where two of the names are those of two people.
    fn may_be(&self, other: &Self) -> bool {
        self.names.iter().all(|ours| other.names.iter().all(|theirs| same_name(ours, theirs)))
    }
}

fn reason(identity: &SaidIdentity) -> Reason {
    let field = match identity.key.kind {
        IdentityKind::Phone => Field::Phone,
        IdentityKind::Email => Field::Email,
        IdentityKind::Handle => Field::Account,
    };
    Reason { field, level: Level::Same, milli: 0 }
}
