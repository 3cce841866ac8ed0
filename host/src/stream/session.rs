//! One stream from the connection to its end: reads all the time, and hands over what waits, batch by batch.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use patchbay_schemas::manifest::Stream;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::line::{Heard, Line, LineError};
use super::{Ended, Streamer};
use crate::plugin::{CallError, Failure, Piece, Retry};
use crate::reading;
use crate::rules::ingest::{Intake, Reading, Way};

/// Most frames that are handed to the connector, and committed, at once.
const BATCH: usize = 64;
/// About as many bytes of frames, at most.
const BATCH_BYTES: usize = 256 << 10;
/// Frames that may wait while the connector has a batch. Past it nothing is read, and the other side must wait.
const WAITING: usize = 4_096;
/// The same in bytes.
const WAITING_BYTES: usize = 4 << 20;
/// How long a commit that failed waits for the next try.
const COMMIT_AGAIN: Duration = Duration::from_millis(500);
/// How often a hub that ends tries to commit what it has.
const LAST_TRIES: u32 = 10;

/// Frames to send back, each in its pieces.
type Replies = Vec<Vec<Piece>>;
/// A batch that the connector has, or that is being committed.
type Work<'a> = Pin<Box<dyn Future<Output = Result<Replies, Ended>> + Send + 'a>>;

/// Connects, and serves the stream until it ends.
pub async fn run(it: &Streamer) -> Ended {
    let here = it.running.instances.surroundings();
    let Some(stream) = here.manifest.stream.clone() else { return Ended::Stopped };
    let standing = tokio::select! {
        () = it.stop.cancelled() => return Ended::Stopped,
        standing = connect(it, &stream) => standing,
    };
    let mut line = match standing {
        Ok(line) => line,
        Err(ended) => return anew(it, ended).await,
    };
    it.note(it.hub.store.stream_connected(it.running.connection.id, &it.lease).await);
    let ended = match open(it, &mut line).await {
        Ok(()) => serve(it, &mut line, &stream).await,
        Err(ended) => ended,
    };
    line.close().await;
    anew(it, ended).await
}

/// A token that the vendor refused before its time is no fault of a person's: with another one the stream is connected again.
async fn anew(it: &Streamer, ended: Ended) -> Ended {
    match ended {
        Ended::Unauthorised(reason) if it.running.instances.surroundings().may_log_in_anew().await => {
            Ended::Lost { reason, wait_ms: Some(0) }
        }
        ended => ended,
    }
}

async fn connect(it: &Streamer, stream: &Stream) -> Result<Line, Ended> {
    let target = it.running.instances.stream_choose().await.map_err(|error| of_call(&error))?;
    Ok(Line::open(it.running.instances.surroundings(), stream, &target).await?)
}

async fn open(it: &Streamer, line: &mut Line) -> Result<(), Ended> {
    let (reply, answers) = it.running.instances.stream_opened().await.map_err(|error| of_call(&error))?;
    keep(it, answers, None, reading::events(reply.events)).await?;
    send(it, line, reply.send).await
}

/// What came in and was not handed over yet.
#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.frames.len() < WAITING && self.bytes < WAITING_BYTES
    }

    fn push(&mut self, frame: Vec<u8>) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    fn batch(&mut self) -> Vec<Vec<u8>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH && (bytes < BATCH_BYTES || batch.is_empty()) {
            let Some(frame) = self.frames.pop_front() else { break };
            bytes += frame.len();
            batch.push(frame);
        }
        self.bytes -= bytes;
        batch
    }
}

/// Reads, beats and hands over until the stream ends. What came in by then is handed over whatever ended it.
async fn serve(it: &Streamer, line: &mut Line, stream: &Stream) -> Ended {
    let heartbeat = &stream.heartbeat;
    let (every, silence) = (millis(heartbeat.every_ms), millis(heartbeat.silence_ms));
    let mut beats = interval_at(Instant::now() + every, every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut queue = Queue::default();
    let mut working: Option<Work> = None;
    let mut ended: Option<Ended> = None;
    loop {
        if working.is_none() {
            let batch = queue.batch();
            if batch.is_empty() {
                if let Some(ended) = ended {
                    return ended;
                }
            } else {
                working = Some(Box::pin(take(it, batch)));
            }
        }
        let is_open = ended.is_none();
        tokio::select! {
            done = async { working.as_mut().expect("there is work").await }, if working.is_some() => {
                working = None;
                match done {
                    // Who does not read any more gets no answer.
                    Ok(replies) if is_open => if let Err(error) = send(it, line, replies).await {
                        ended = Some(error);
                    },
                    Ok(_) => {}
                    Err(Ended::Stopped) => return Ended::Stopped,
                    // What waits behind is handed over all the same: it is read, or kept as a dead letter too.
                    Err(error) => {
                        ended.get_or_insert(error);
                    }
                }
            }
            came = line.next(), if is_open && queue.has_room() => match came {
                Ok(came) => {
                    heard = Instant::now();
                    if let Heard::Frame(frame) = came {
                        it.heard_at.store(it.hub.store.clock.now_ms(), Ordering::Relaxed);
                        metrics::counter!("patchbay_stream_frames_total", "connection" => it.running.connection.id.to_string()).increment(1);
                        queue.push(frame);
                    }
                }
                Err(error) => ended = Some(error.into()),
            },
            _ = beats.tick(), if is_open => if let Err(error) = line.beat(heartbeat.send.as_deref()).await {
                ended = Some(error.into());
            },
            // While nothing is read for want of room, the silence is ours.
            () = tokio::time::sleep_until(heard + silence), if is_open && queue.has_room() => {
                ended = Some(LineError::Silent(heartbeat.silence_ms).into());
            }
            () = it.stop.cancelled(), if is_open => ended = Some(Ended::Stopped),
        }
    }
}

/// Hands a batch over and commits what comes of it. A batch that the connector cannot take is tried frame by frame, so that one bad frame takes
/// no other along.
async fn take(it: &Streamer, frames: Vec<Vec<u8>>) -> Result<Replies, Ended> {
    match it.running.instances.stream_received(&frames).await {
        Ok(reply) => {
            keep_frames(it, &frames, reading::events(reply.events)).await?;
            return Ok(reply.send);
        }
        Err(error) if frames.len() == 1 || !speaks_of_a_frame(&error) => return failed(it, &frames, &error).await,
        Err(_) => {}
    }
    let mut replies = Vec::new();
    for frame in frames {
        let frame = [frame];
        match it.running.instances.stream_received(&frame).await {
            Ok(reply) => {
                keep_frames(it, &frame, reading::events(reply.events)).await?;
                replies.extend(reply.send);
            }
            Err(error) => replies.extend(failed(it, &frame, &error).await?),
        }
    }
    Ok(replies)
}

/// True where another frame may well fare better.
fn speaks_of_a_frame(error: &CallError) -> bool {
    match error {
        CallError::Failed(failure) => matches!(failure.retry, Retry::Never),
        CallError::Limit(_) | CallError::Trap(_) => true,
        CallError::Busy | CallError::NoAbility(_) | CallError::Quarantined(_) => false,
    }
}

/// Keeps frames that the connector could not take as a dead letter, and ends the stream where it asks for that.
async fn failed(it: &Streamer, frames: &[Vec<u8>], error: &CallError) -> Result<Replies, Ended> {
    let redacted = it.running.instances.surroundings().redact(&reason(error));
    tracing::warn!(connection.id = %it.running.connection.id, error = %redacted, "frames could not be read");
    let reading = if matches!(error, CallError::Failed(_)) { Reading::Refused(redacted) } else { Reading::Dead(redacted) };
    keep_frames(it, frames, reading).await?;
    if speaks_of_a_frame(error) { Ok(Replies::new()) } else { Err(of_call(error)) }
}

async fn keep_frames(it: &Streamer, frames: &[Vec<u8>], reading: Reading) -> Result<(), Ended> {
    keep(it, reading::joined(frames), Some(frames), reading).await
}

/// Commits. Nothing goes on before that lasts: a database that does not answer makes the other side wait.
async fn keep(it: &Streamer, body: Vec<u8>, frames: Option<&[Vec<u8>]>, reading: Reading) -> Result<(), Ended> {
    // What is of no interest leaves nothing, as with a poll.
    if matches!(&reading, Reading::Events(events) if events.is_empty()) {
        return Ok(());
    }
    let lengths: Option<Vec<usize>> = frames.map(|it| it.iter().map(Vec::len).collect());
    let intake = Intake {
        id: it.hub.store.ids.next(),
        origin: it.running.origin.clone(),
        way: Way::Stream,
        request: lengths.map(|it| json!({ "frames": it }).to_string()),
        body,
        fingerprint: None,
        received_at: it.hub.store.clock.now(),
        reading,
        cursor: None,
    };
    let mut last_tries = 0;
    loop {
        match it.committer.commit(intake.clone()).await {
            Ok(committed) => {
                if !committed.kept {
                    tracing::warn!(connection.id = %it.running.connection.id, "frames that could not be read were not kept: the quota of dead letters is full");
                }
                return Ok(());
            }
            Err(error) if it.stop.is_cancelled() && last_tries >= LAST_TRIES => {
                tracing::error!(connection.id = %it.running.connection.id, error = %error, "frames that came in could not be committed before the hub ended");
                return Err(Ended::Stopped);
            }
            Err(error) => {
                last_tries += u32::from(it.stop.is_cancelled());
                tracing::warn!(connection.id = %it.running.connection.id, error = %error, "frames wait to be committed");
                tokio::time::sleep(COMMIT_AGAIN).await;
            }
        }
    }
}

async fn send(it: &Streamer, line: &mut Line, replies: Replies) -> Result<(), Ended> {
    let here = it.running.instances.surroundings();
    for pieces in replies {
        line.say(here, pieces).await?;
    }
    Ok(())
}

impl From<LineError> for Ended {
    fn from(error: LineError) -> Self {
        let reason = format!("{}: {error}", error.code());
        if error.is_about_credentials() { Self::Unauthorised(reason) } else { Self::Lost { reason, wait_ms: None } }
    }
}

fn of_call(error: &CallError) -> Ended {
    let reason = reason(error);
    match error {
        CallError::Failed(Failure { retry: Retry::Reauthorise, .. }) => Ended::Unauthorised(reason),
        CallError::Failed(Failure { retry: Retry::AfterMs(ms), .. }) => Ended::Lost { reason, wait_ms: Some(*ms) },
        _ => Ended::Lost { reason, wait_ms: None },
    }
}

fn reason(error: &CallError) -> String {
    match error {
        CallError::Failed(_) => error.to_string(),
        CallError::Limit(_) => format!("connector.limit: {error}"),
        CallError::Busy | CallError::Quarantined(_) => format!("{}: {error}", error.code()),
        CallError::Trap(_) | CallError::NoAbility(_) => format!("connector.trap: {error}"),
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
