//! Hands commands to whoever carries them out: one by one, or where the connector can, all that wait in one call.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::plugin::{CallError, Command, Executed, Failure, Limit, Retry};
use crate::registry::Running;
use crate::rules::breaker::Health;

/// Who carries commands out: the connectors, or in a simulation a vendor with moods.
pub(super) trait Carry: Send + Sync + 'static {
    /// Has one command carried out. Beside the result stands what the hub saw of the vendor meanwhile. `alone`: in a call of its own.
    fn carry(&self, running: &Running, command: &Command, alone: bool) -> impl Future<Output = (Executed, Health)> + Send;
}

/// The connectors in their sandboxes.
#[derive(Default)]
pub(super) struct Connectors {
    gate: Gate,
}

impl Carry for Connectors {
    async fn carry(&self, running: &Running, command: &Command, alone: bool) -> (Executed, Health) {
        let instances = &running.instances;
        let most = usize::from(instances.surroundings().manifest.commands.as_ref().map_or(1, |it| it.batch));
        if alone || most <= 1 {
            return instances.execute(std::slice::from_ref(command)).await;
        }
        self.gate.pass(command.clone(), most, |batch: Arc<[Command]>| async move { instances.execute(&batch).await }).await
    }
}

/// Where the commands of several lanes wait for the call that is under way, and then go together. Nobody waits for more to come.
#[derive(Default)]
struct Gate {
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever has it makes the next call.
    turn: tokio::sync::Mutex<()>,
}

struct Waiting {
    command: Command,
    answer: oneshot::Sender<(Executed, Health)>,
}

impl Gate {
    /// Has a command carried out, at most `most` in one call.
    async fn pass<F>(&self, command: Command, most: usize, execute: impl Fn(Arc<[Command]>) -> F) -> (Executed, Health)
    where
        F: Future<Output = (Executed, Health)>,
    {
        let (answer, mut answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { command, answer });
        loop {
            let _turn = tokio::select! {
                biased;
                // Whoever made the call is gone where there is no answer: what became of the command is unknown.
                answer = &mut answered => return answer.unwrap_or((Ok(Vec::new()), Health::Unknown)),
                turn = self.turn.lock() => turn,
            };
            let batch: Vec<Waiting> = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let size = waiting.len().min(most);
                waiting.drain(..size).collect()
            };
            if !batch.is_empty() {
                let (commands, answers): (Vec<Command>, Vec<_>) = batch.into_iter().map(|it| (it.command, it.answer)).unzip();
                let (executed, health) = execute(commands.into()).await;
                let parts = parted(executed, &health, answers.len());
                for (answer, own) in answers.into_iter().zip(parts) {
                    // Who asked may be gone.
                    drop(answer.send(own));
                }
            }
        }
    }
}

/// What each command of a call has to know of it. A vendor that failed once failed once, however many commands asked it.
fn parted(executed: Executed, health: &Health, size: usize) -> Vec<(Executed, Health)> {
    let seen = |at: usize| if at > 0 && *health == Health::Down { Health::Unknown } else { health.clone() };
    match executed {
        Ok(results) => {
            let mut results = results.into_iter();
            (0..size).map(|at| (Ok(results.next().into_iter().collect()), seen(at))).collect()
        }
        Err(CallError::Quarantined(it)) => (0..size).map(|_| (Err(CallError::Quarantined(it.clone())), Health::Unknown)).collect(),
        Err(error) => {
            // Any of them may be to blame: each goes alone from now on.
            let waited = matches!(error, CallError::Limit(Limit::Wall(_)));
            let failure = || Failure { code: error.code().to_owned(), message: error.to_string(), retry: Retry::Later };
            (0..size).map(|at| (Ok(vec![Err(failure())]), if waited { seen(at) } else { Health::Unknown })).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio::task::JoinSet;

    use super::*;
    use crate::plugin::Receipt;

    fn command(key: usize) -> Command {
        Command { idempotency_key: key.to_string(), kind: "lead.upsert".to_owned(), payload: "{}".to_owned() }
    }

    fn done(batch: &[Command]) -> Vec<Result<Receipt, Failure>> {
        batch.iter().map(|it| Ok(Receipt { remote_id: Some(it.idempotency_key.clone()), details: "{}".to_owned() })).collect()
    }

    #[tokio::test]
    async fn what_waits_for_a_call_goes_together_with_the_next_and_each_gets_its_own_result() {
        let (gate, sizes, open) = (Arc::new(Gate::default()), Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let mut tasks = JoinSet::new();
        let mut pass = |key: usize| {
            let (gate, sizes, open) = (Arc::clone(&gate), Arc::clone(&sizes), Arc::clone(&open));
            tasks.spawn(async move {
                let execute = |batch: Arc<[Command]>| {
                    sizes.lock().unwrap().push(batch.len());
                    let open = Arc::clone(&open);
                    async move {
                        open.acquire().await.unwrap().forget();
                        (Ok(done(&batch)), Health::Up)
                    }
                };
                (key, gate.pass(command(key), 4, execute).await)
            });
        };
        pass(0);
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        (1..7).for_each(pass);
        while gate.waiting.lock().unwrap().len() < 6 {
            tokio::task::yield_now().await;
        }
        open.add_permits(3);
        for (key, (executed, health)) in tasks.join_all().await {
            let receipt = executed.unwrap().pop().unwrap().unwrap();
            assert_eq!((receipt.remote_id, health), (Some(key.to_string()), Health::Up));
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 4, 2], "nobody waited for company, and no call was larger than allowed");
    }

    #[test]
    fn one_failure_of_a_vendor_counts_once_and_a_trap_says_nothing_of_it() {
        let down = parted(Ok(done(&[command(0), command(1)])), &Health::Down, 2);
        assert_eq!(down.iter().map(|it| it.1.clone()).collect::<Vec<_>>(), [Health::Down, Health::Unknown]);
        let trapped = parted(Err(CallError::Trap("oh".to_owned())), &Health::Up, 2);
        assert!(trapped.iter().all(|(it, health)| {
            let failure = it.as_ref().ok().and_then(|it| it.first()).and_then(|it| it.as_ref().err());
            *health == Health::Unknown && failure.is_some_and(|it| it.code == "connector.trap" && matches!(it.retry, Retry::Later))
        }));
        let short = parted(Ok(done(&[command(0)])), &Health::Up, 2);
        assert!(short[1].0.as_ref().is_ok_and(Vec::is_empty), "a result that is missing is one");
    }
}
