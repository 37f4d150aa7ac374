//! Reading request bodies: each within its operation's limit, all of them within one budget.
//!
//! Many bodies at their limit would fill the memory, so what has arrived takes room in a budget
//! until its request has ended. What is merely announced takes none: a head alone must not keep
//! others from being read. Where room is short, a body waits with its next frame in hand, and its
//! sender is held back by its own connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use ids::SharedClock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::ServiceError;

/// All bodies together, in KiB: 1 GiB.
const BUDGET_KIB: usize = 1 << 20;

/// So much of every body takes no room: most requests are smaller, and their number is bounded by
/// that of the connections.
const FREE: usize = 256 << 10;

/// How long a sender may keep silent in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);

/// How much of too long a body is read and thrown away before the refusal is sent: most clients
/// read the answer only once they have sent everything.
const PATIENCE: usize = 128 << 20;

/// Reads bodies. Clones share the budget.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    kib: Arc<Semaphore>,
    /// One body at a time may go beyond the budget: were every room held by a body that waits for
    /// more, none of them would ever end.
    overdraft: Arc<Semaphore>,
    clock: SharedClock,
}

/// The room that a body takes, until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room {
    budget: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            kib: Arc::new(Semaphore::new(BUDGET_KIB)),
            overdraft: Arc::new(Semaphore::new(1)),
            clock,
        }
    }

    /// The whole body and the room it takes, unless it exceeds `limit`; then `too_large`. A body
    /// that is announced to be far longer is refused without reading it.
    pub(crate) async fn read<B: Body<Data = Bytes> + Unpin>(
        &self,
        mut body: B,
        limit: usize,
        too_large: impl FnOnce() -> ServiceError,
    ) -> Result<(Bytes, Room), ServiceError> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced <= limit
            && let Some(whole) = self.collect(&mut body, limit).await?
        {
            return Ok(whole);
        }
        if announced <= PATIENCE {
            self.drain(&mut body).await;
        }
        Err(too_large())
    }

    /// `None` once the body exceeds `limit`.
    async fn collect<B: Body<Data = Bytes> + Unpin>(
        &self,
        body: &mut B,
        limit: usize,
    ) -> Result<Option<(Bytes, Room)>, ServiceError> {
        let mut room = Room::default();
        // One frame stays the buffer it came in; only further ones are copied together.
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(frame) = self.frame(body).await? {
            let length = first.len() + joined.len() + frame.len();
            if length > limit {
                return Ok(None);
            }
            self.extend(&mut room, length).await;
            if length == frame.len() {
                first = frame;
            } else {
                joined.extend_from_slice(&std::mem::take(&mut first));
                joined.extend_from_slice(&frame);
            }
        }
        let whole = if joined.is_empty() {
            first
        } else {
            joined.freeze()
        };
        Ok(Some((whole, room)))
    }

    /// Reads on without keeping anything, until the body ends or patience does.
    async fn drain<B: Body<Data = Bytes> + Unpin>(&self, body: &mut B) {
        let mut left = PATIENCE;
        while let Ok(Some(frame)) = self.frame(body).await {
            left = left.saturating_sub(frame.len());
            if left == 0 {
                return;
            }
        }
    }

    /// The next bytes; `None` at the end.
    async fn frame<B: Body<Data = Bytes> + Unpin>(
        &self,
        body: &mut B,
    ) -> Result<Option<Bytes>, ServiceError> {
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = self.clock.sleep(IDLE) => return Err(silent()),
            };
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => return Ok(None),
                Some(Ok(Ok(bytes))) => return Ok(Some(bytes)),
                Some(Ok(Err(_trailers))) => {}
                Some(Err(_)) => {
                    return Err(ServiceError::serialization("The request body ended early."));
                }
            }
        }
    }

    /// Waits until `room` is enough for `length` bytes.
    async fn extend(&self, room: &mut Room, length: usize) {
        if room.overdraft.is_some() {
            return;
        }
        let taken = match &room.budget {
            Some(budget) => budget.num_permits(),
            None => 0,
        };
        let needed = length.saturating_sub(FREE).div_ceil(1_024);
        let more = u32::try_from(needed.saturating_sub(taken)).unwrap_or(u32::MAX);
        if more == 0 {
            return;
        }
        tokio::select! {
            biased;
            Ok(permit) = Arc::clone(&self.kib).acquire_many_owned(more) => {
                match &mut room.budget {
                    Some(budget) => budget.merge(permit),
                    empty => *empty = Some(permit),
                }
            }
            Ok(permit) = Arc::clone(&self.overdraft).acquire_owned() => {
                room.overdraft = Some(permit);
            }
            // Only closed semaphores refuse, and nobody closes these.
            else => {}
        }
    }
}

fn silent() -> ServiceError {
    ServiceError::new(
        "RequestTimeoutException",
        408,
        format!(
            "The request body did not go on for {} seconds.",
            IDLE.as_secs()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::{Frame, SizeHint};
    use ids::{ManualClock, Timestamp};
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    /// Announces a length, gives its frames, then ends or keeps silent.
    struct Script {
        announced: u64,
        frames: VecDeque<Bytes>,
        ends: bool,
    }

    impl Body for Script {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.frames.pop_front() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.announced)
        }
    }

    fn script(frames: &[Bytes]) -> Script {
        Script {
            announced: frames.iter().map(|frame| frame.len() as u64).sum(),
            frames: frames.iter().cloned().collect(),
            ends: true,
        }
    }

    fn silent_after(announced: u64, frames: &[Bytes]) -> Script {
        Script {
            announced,
            ends: false,
            ..script(frames)
        }
    }

    fn bodies() -> (Bodies, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        (Bodies::new(Arc::<ManualClock>::clone(&clock)), clock)
    }

    fn too_large() -> ServiceError {
        ServiceError::too_large("Test", 0)
    }

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn zeros(length: usize) -> Bytes {
        vec![0; length].into()
    }

    #[tokio::test]
    async fn one_frame_is_not_copied() {
        let frame = zeros(FREE);
        let (whole, room) = bodies()
            .0
            .read(script(std::slice::from_ref(&frame)), FREE, too_large)
            .await
            .unwrap();
        assert_eq!(whole.as_ptr(), frame.as_ptr());
        assert!(room.budget.is_none());
    }

    #[tokio::test]
    async fn frames_are_joined_and_room_is_given_back() {
        let (bodies, _) = bodies();
        let frames = [zeros(FREE), "abc".into(), "".into(), zeros(4_096)];
        let read = bodies.read(script(&frames), 1 << 20, too_large).await;
        let (whole, room) = read.unwrap();
        assert_eq!(whole, frames.concat());
        assert_eq!(bodies.kib.available_permits(), BUDGET_KIB - 5);
        drop(room);
        assert_eq!(bodies.kib.available_permits(), BUDGET_KIB);
    }

    #[test]
    fn announcing_takes_no_room() {
        let (bodies, _) = bodies();
        let mut held = Vec::new();
        for _ in 0..20 {
            let body = silent_after(70_000_000, &[zeros(FREE)]);
            let mut read = Box::pin(bodies.read(body, 80_000_000, too_large));
            assert!(poll(read.as_mut()).is_pending());
            held.push(read);
        }
        assert_eq!(bodies.kib.available_permits(), BUDGET_KIB);
    }

    #[test]
    fn silence_is_a_timeout() {
        let (bodies, clock) = bodies();
        let mut read = pin!(bodies.read(silent_after(10, &["half".into()]), 10, too_large));
        assert!(poll(read.as_mut()).is_pending());
        clock.advance(IDLE);
        let Poll::Ready(Err(error)) = poll(read.as_mut()) else {
            panic!("silence is borne");
        };
        assert_eq!(error.status, 408);
    }

    #[test]
    fn who_is_held_back_is_not_silent() {
        let (bodies, clock) = bodies();
        let all = u32::try_from(BUDGET_KIB).unwrap();
        let others = Arc::clone(&bodies.kib).try_acquire_many_owned(all).unwrap();
        let _overdraft = Arc::clone(&bodies.overdraft).try_acquire_owned().unwrap();
        let mut read = pin!(bodies.read(script(&[zeros(1 << 20)]), 1 << 20, too_large));
        assert!(poll(read.as_mut()).is_pending());
        clock.advance(10 * IDLE);
        assert!(poll(read.as_mut()).is_pending());
        drop(others);
        assert!(matches!(poll(read.as_mut()), Poll::Ready(Ok(_))));
    }

    #[test]
    fn bodies_that_hold_all_room_end_one_after_another() {
        let (bodies, _) = bodies();
        let all = u32::try_from(BUDGET_KIB).unwrap();
        let _others = Arc::clone(&bodies.kib).try_acquire_many_owned(all).unwrap();
        let frames = [zeros(FREE), zeros(FREE), zeros(FREE)];
        let mut one = pin!(bodies.read(script(&frames), 1 << 20, too_large));
        let mut other = pin!(bodies.read(script(&frames), 1 << 20, too_large));
        let Poll::Ready(Ok(whole)) = poll(one.as_mut()) else {
            panic!("nobody may go beyond the budget");
        };
        assert!(poll(other.as_mut()).is_pending());
        drop(whole);
        assert!(matches!(poll(other.as_mut()), Poll::Ready(Ok(_))));
    }

    #[tokio::test]
    async fn too_long_a_body_is_read_before_it_is_refused() {
        let (bodies, _) = bodies();
        for announced in [0, 12] {
            let mut body = script(&["one".into(), "two".into(), "six".into(), "ten".into()]);
            body.announced = announced;
            let error = bodies.read(&mut body, 5, too_large).await.unwrap_err();
            assert_eq!(error.status, 413);
            assert!(body.frames.is_empty());
        }
    }

    #[tokio::test]
    async fn far_too_long_a_body_is_refused_unread() {
        let mut body = silent_after(PATIENCE as u64 + 1, &["one".into()]);
        let read = bodies().0.read(&mut body, 5, too_large).await;
        assert_eq!(read.unwrap_err().status, 413);
        assert_eq!(body.frames.len(), 1);
    }
}
