//! A vendor that behaves badly once, or waits at a moment, as a test wants it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use crate::wait::PATIENCE;

/// How a fake behaves badly, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misbehave {
    /// It does the work and the connection breaks before the answer arrives.
    LoseAnswer,
    /// The connection breaks and nothing was done.
    Break,
    /// This status instead of doing anything: 429, 502, 503.
    Status(u16),
    /// An error of the vendor's own, by its name: an exception, a code.
    Exception(String),
    /// It does the work and answers this much later.
    Slow(Duration),
}

/// When a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It was asked and has done nothing yet.
    Asked,
    /// It has done the work and not answered yet.
    Worked,
}

/// A call that comes as far as a moment, says so, and waits. Dropping it lets the call go on.
pub struct Held {
    reached: oneshot::Receiver<()>,
    _go: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call is there.
    pub async fn reached(&mut self) {
        tokio::time::timeout(PATIENCE, &mut self.reached).await.expect("the call never came").expect("the fake runs");
    }
}

/// What one call meets.
enum Plan {
    Misbehave(Misbehave),
    Hold(Moment, oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// What the next calls meet.
#[derive(Default)]
pub(super) struct Plans(Mutex<VecDeque<(String, Plan)>>);

impl Plans {
    pub(super) fn misbehave(&self, method: &str, how: Misbehave) {
        lock(&self.0).push_back((method.to_owned(), Plan::Misbehave(how)));
    }

    pub(super) fn hold(&self, method: &str, moment: Moment) -> Held {
        let ((say, reached), (go, gone)) = (oneshot::channel(), oneshot::channel());
        lock(&self.0).push_back((method.to_owned(), Plan::Hold(moment, say, gone)));
        Held { reached, _go: go }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Answers a call to a method that `is_called` so: as planned, else as it is.
    pub(super) async fn meet(
        &self,
        is_called: impl Fn(&str) -> bool,
        answered: impl FnOnce() -> Response,
        exception: impl FnOnce(&str) -> Response,
    ) -> Response {
        let plan = {
            let mut plans = lock(&self.0);
            plans.iter().position(|(it, _)| it == "*" || is_called(it)).and_then(|it| plans.remove(it)).map(|(_, how)| how)
        };
        match plan {
            None => answered(),
            Some(Plan::Hold(moment, say, go)) => {
                let mut answered = Some(answered);
                let done = (moment == Moment::Worked).then(|| answered.take().expect("it was not called yet")());
                // Whoever waits for it may be gone.
                let _ = say.send(());
                let _ = go.await;
                done.unwrap_or_else(|| answered.take().expect("it was not called yet")())
            }
            Some(Plan::Misbehave(how)) => match how {
                Misbehave::Break => Body::new(Cut).into_response(),
                Misbehave::Status(status) => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    (status, [(header::RETRY_AFTER, "1")], "<html><h1>not now</h1></html>").into_response()
                }
                Misbehave::Exception(name) => exception(&name),
                Misbehave::LoseAnswer => {
                    answered();
                    Body::new(Cut).into_response()
                }
                Misbehave::Slow(wait) => {
                    let answered = answered();
                    tokio::time::sleep(wait).await;
                    answered
                }
            },
        }
    }
}

/// The same as a lock that nobody poisons: a test that failed has said so already.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A body that breaks off.
struct Cut;

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}
