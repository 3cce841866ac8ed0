//! What the sinks' records are told of a merge, and of a merge that was taken back.

use super::Ask;
use crate::ids::{LeadId, MergeId};

/// Most leads of one person whose records are told.
const MOST_TOLD: usize = 20;
/// Most leads of the other person that one note names.
const MOST_NAMED: usize = 10;

/// A note with the record of a lead: its person and the one of other leads are one from now on, or are two again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeNote {
    /// The merge.
    pub merge: MergeId,
    /// What became of it.
    pub step: MergeStep,
    /// Leads of the other person.
    pub others: Vec<LeadId>,
}

/// What became of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeStep {
    /// Two people are one.
    Merged,
    /// They are two again.
    Unmerged,
}

impl MergeStep {
    /// The kind of its row in the outbox.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merged => "person.merged",
            Self::Unmerged => "person.unmerged",
        }
    }

    /// The step of such a row.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Merged, Self::Unmerged].into_iter().find(|it| it.as_str() == text)
    }
}

impl MergeNote {
    /// What each lead's record of two people is told; nothing where one of them has no lead. The newest leads of those who have very many.
    #[must_use]
    pub fn for_both(merge: MergeId, step: MergeStep, here: &[LeadId], there: &[LeadId]) -> Vec<(LeadId, Ask)> {
        let newest = |leads: &[LeadId]| {
            let mut leads = leads.to_vec();
            leads.sort_unstable_by_key(|it| std::cmp::Reverse(*it));
            leads.dedup();
            leads
        };
        let (here, there) = (newest(here), newest(there));
        let of = |ours: &[LeadId], theirs: &[LeadId]| -> Vec<(LeadId, Ask)> {
            let others: Vec<LeadId> = theirs.iter().copied().take(MOST_NAMED).collect();
            let told = ours.iter().take(MOST_TOLD).filter(|_| !others.is_empty());
            told.map(|it| (*it, Ask::Note(Self { merge, step, others: others.clone() }))).collect()
        };
        [of(&here, &there), of(&there, &here)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(numbers: std::ops::Range<u128>) -> Vec<LeadId> {
        numbers.map(LeadId::of_number).collect()
    }

    #[test]
    fn each_record_is_told_of_the_newest_of_the_other_person() {
        let merge = MergeId::of_number(1);
        let told = MergeNote::for_both(merge, MergeStep::Merged, &leads(1..31), &leads(31..32));
        assert_eq!(told.len(), MOST_TOLD + 1);
        let note = |others| Ask::Note(MergeNote { merge, step: MergeStep::Merged, others });
        assert_eq!(told[0], (LeadId::of_number(30), note(leads(31..32))));
        let mut newest = leads(21..31);
        newest.reverse();
        assert_eq!(told[MOST_TOLD], (LeadId::of_number(31), note(newest)));
        assert!(MergeNote::for_both(merge, MergeStep::Unmerged, &leads(1..3), &[]).is_empty(), "there is no other record to speak of");
    }

    #[test]
    fn a_step_is_read_as_it_was_written() {
        for step in [MergeStep::Merged, MergeStep::Unmerged] {
            assert_eq!(MergeStep::parse(step.as_str()), Some(step));
        }
        assert_eq!(MergeStep::parse("lead.upsert"), None);
    }
}
