//! One lane: what waits in it, in order, until something fails or it is empty.

use std::collections::HashSet;

use super::Sender;
use super::carry::Carry;
use crate::committer::DELIVERY_SHARD;
use crate::ids::{InteractionId, OutboxId};
use crate::rules::breaker::Health;
use crate::rules::ingest::{Became, MergeNote, MergeStep};
use crate::store::StoreError;
use crate::store::outbox::{Asked, End, LANE_ROWS, Lane, Release, Tried, Waiting};

impl<C: Carry> Sender<C> {
    /// Serves what waits in a lane, in order, until something fails, the vendor is left alone, or the lane is empty.
    pub(super) async fn serve(&self, mut lane: Lane) -> Result<(), StoreError> {
        let hub = &self.hub;
        let rows = hub.store.waiting(&lane).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|it| it >= LANE_ROWS);
        let (superseded, due) = coalesce(rows, lane.abandoned);
        let at = hub.store.clock.now_ms();
        // Written down together with the first try: of a row that stood alone for a while nobody could say that another one was tried before it.
        let mut ended: Vec<Tried> = superseded.into_iter().map(|id| Tried { id, at, took_ms: 0, end: End::Superseded }).collect();
        let all = if full { Release::More } else { Release::Done };
        let last = due.len();
        for (position, row) in due.into_iter().enumerate() {
            // Paused, or the vendor wants to be left alone: what waits goes on waiting.
            let Some(running) = self.running().filter(|_| lane.probe.is_some() || !self.brake.is_on(hub.store.clock.now_ms())) else {
                hub.store.finish(&lane, &[], Some(Release::More), DELIVERY_SHARD).await?;
                return Ok(());
            };
            if self.is_quarantined() {
                let due_at = hub.store.clock.now_ms().saturating_add(super::LOOK_MS);
                hub.store.finish(&lane, &[], Some(Release::Later { due_at }), DELIVERY_SHARD).await?;
                return Ok(());
            }
            let done = self.attempt(&running, &lane, &row).await?;
            self.note(&running, &lane, &done.health, &done.reason).await?;
            lane.probe = None;
            let goes_on = !matches!(done.tried.end, End::Failed { .. });
            let release = done.release.or_else(|| (position + 1 == last).then_some(all));
            ended.push(done.tried);
            let is_written = hub.store.finish(&lane, &ended, release, DELIVERY_SHARD).await?;
            if lane.is_conversation() {
                // The sink whose people wrote it has something to hear.
                self.wake.notify_waiters();
            }
            if !is_written || !goes_on {
                return Ok(());
            }
            ended.clear();
        }
        if last == 0 {
            if let Some(running) = self.running() {
                self.note(&running, &lane, &Health::Unknown, "").await?;
            }
            hub.store.finish(&lane, &ended, Some(all), DELIVERY_SHARD).await?;
        }
        Ok(())
    }
}

/// One write of the latest state stands for all that wait: it takes the first place, the others are superseded. An interaction that
/// waits is told as it is by then, so it need not be told twice. Of what became of an answer the newest is told. A merge that was taken back before anybody was told of it is no news;
/// `abandoned`: somebody may have been told.
fn coalesce(rows: Vec<Waiting>, abandoned: bool) -> (Vec<OutboxId>, Vec<Waiting>) {
    let (mut upserts, mut due): (Vec<Waiting>, Vec<Waiting>) = (Vec::new(), Vec::new());
    let (mut superseded, mut added) = (Vec::new(), HashSet::new());
    for row in rows {
        match &row.ask {
            Asked::Upsert(_) => upserts.push(row),
            Asked::Add(interaction) if !added.insert(*interaction) => superseded.push(row.id),
            Asked::Note(MergeNote { merge, step: MergeStep::Unmerged, .. }) if !abandoned => {
                match due.iter().position(|it| it.attempts == 0 && matches!(&it.ask, Asked::Note(it) if it.merge == *merge)) {
                    Some(merged) => superseded.extend([due.remove(merged).id, row.id]),
                    None => due.push(row),
                }
            }
            Asked::Status { answer, became } => match due.iter().position(|it| tells_of(it, *answer)) {
                Some(at) if is_newer(became.as_ref(), &due[at].ask) => superseded.push(std::mem::replace(&mut due[at], row).id),
                Some(_) => superseded.push(row.id),
                None => due.push(row),
            },
            Asked::Add(_) | Asked::Send(_) | Asked::Call(_) | Asked::Note(_) => due.push(row),
        }
    }
    let newest = upserts.pop();
    // What was tried before may have had an effect that the newest must know of.
    let attempts = upserts.iter().map(|it| it.attempts).max().unwrap_or(0);
    let failures = upserts.iter().map(|it| it.failures).max().unwrap_or(0);
    if let Some(newest) = newest {
        due.insert(0, Waiting { attempts: newest.attempts.max(attempts), failures: newest.failures.max(failures), ..newest });
    }
    superseded.extend(upserts.into_iter().map(|it| it.id));
    (superseded, due)
}

fn tells_of(row: &Waiting, of: InteractionId) -> bool {
    matches!(&row.ask, Asked::Status { answer, .. } if *answer == of)
}

/// True where what became of an answer is news after what waits to be told of it.
fn is_newer(became: Option<&Became>, than: &Asked) -> bool {
    let Asked::Status { became: Some(than), .. } = than else { return true };
    became.is_some_and(|it| it.is_newer_than(than))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::ids::Ids;

    #[test]
    fn the_latest_write_takes_the_first_place_and_the_history_keeps_its_order() {
        let ids = Ids::new(Clock::System);
        let (lead, workspace) = (ids.next(), ids.next());
        let row = |ask| Waiting { id: ids.next(), workspace, ask, attempts: 0, failures: 0 };
        let rows = vec![
            Waiting { attempts: 2, failures: 1, ..row(Asked::Upsert(lead)) },
            row(Asked::Add(ids.next())),
            row(Asked::Upsert(lead)),
            row(Asked::Add(ids.next())),
        ];
        let order: Vec<_> = rows.iter().map(|it| it.id).collect();
        let (superseded, due) = coalesce(rows, false);
        assert_eq!(superseded, [order[0]]);
        assert_eq!(due.iter().map(|it| it.id).collect::<Vec<_>>(), [order[2], order[1], order[3]]);
        assert_eq!((due[0].attempts, due[0].failures), (2, 1), "an earlier try may have had an effect");
    }

    #[test]
    fn an_interaction_that_changed_while_it_waited_is_told_once() {
        let ids = Ids::new(Clock::System);
        let (call, workspace) = (ids.next(), ids.next());
        let row = |ask| Waiting { id: ids.next(), workspace, ask, attempts: 0, failures: 0 };
        let rows = vec![row(Asked::Add(call)), row(Asked::Add(ids.next())), row(Asked::Add(call))];
        let order: Vec<_> = rows.iter().map(|it| it.id).collect();
        let (superseded, due) = coalesce(rows, false);
        assert_eq!(superseded, [order[2]]);
        assert_eq!(due.iter().map(|it| it.id).collect::<Vec<_>>(), order[..2]);
    }

    #[test]
    fn of_an_answer_the_newest_is_told_in_the_place_of_the_first() {
        use patchbay_schemas::MessageStatus::{self, Delivered, Failed, Read, Sent};
        let ids = Ids::new(Clock::System);
        let (answer, other, workspace) = (ids.next(), ids.next(), ids.next());
        let row = |answer, status: MessageStatus| {
            let became = Some(Became { status, error: None, at: patchbay_schemas::Timestamp::UNIX_EPOCH });
            Waiting { id: ids.next(), workspace, ask: Asked::Status { answer, became }, attempts: 0, failures: 0 }
        };
        let told = |statuses: &[MessageStatus]| {
            let rows: Vec<Waiting> = statuses.iter().map(|it| row(answer, *it)).chain([row(other, Sent)]).collect();
            let (superseded, due) = coalesce(rows, false);
            assert_eq!((superseded.len(), due.len()), (statuses.len() - 1, 2), "each row ends in one way");
            assert!(tells_of(&due[1], other), "the order of answers stays");
            let Asked::Status { became: Some(it), .. } = &due[0].ask else { panic!("{due:?}") };
            it.status
        };
        for (statuses, newest) in [
            (&[Sent, Delivered, Read][..], Read),
            (&[Read, Sent, Delivered], Read),
            (&[Sent, Failed], Failed),
            (&[Failed, Delivered], Failed),
            (&[Failed, Sent], Sent),
        ] {
            assert_eq!(told(statuses), newest, "{statuses:?}");
        }
    }

    #[test]
    fn a_merge_that_was_taken_back_before_anybody_heard_of_it_is_no_news() {
        let ids = Ids::new(Clock::System);
        let (workspace, merge) = (ids.next(), ids.next());
        let note = |step, attempts| {
            let ask = Asked::Note(MergeNote { merge, step, others: Vec::new() });
            Waiting { id: ids.next(), workspace, ask, attempts, failures: 0 }
        };
        let (superseded, due) = coalesce(vec![note(MergeStep::Merged, 0), note(MergeStep::Unmerged, 0)], false);
        assert_eq!((superseded.len(), due.len()), (2, 0));
        for (attempts, abandoned) in [(1, false), (0, true)] {
            let (superseded, due) = coalesce(vec![note(MergeStep::Merged, attempts), note(MergeStep::Unmerged, 0)], abandoned);
            assert_eq!((superseded.len(), due.len()), (0, 2), "somebody may have been told");
        }
    }
}
