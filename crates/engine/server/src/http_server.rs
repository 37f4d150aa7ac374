//! Connections and requests: from the listener to the services and back.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use egress::{Link, Nat};
use futures_util::StreamExt as _;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, VARY};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use ids::RequestId;
use lambda::Door;
use sandbox::Tunnel;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::activity::Ongoing;
use crate::control_api;
use crate::function_url::{self, Addressed};
use crate::services::refusal;
use crate::shared::{Body, Shared};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long nothing is accepted after an error. There are too many open files, most likely, and the
/// listener stays ready all the time that none is closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How many connections the functions of one environment may hold: each takes a descriptor of the
/// engine's, also while the environment is frozen. More wait until one is closed.
const CONNECTIONS_OF_FUNCTIONS: usize = 128;

/// Who calls by a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Whoever reaches it.
    Anybody,
    /// The functions of one environment: the engine's pages are not for them.
    Functions,
}

/// How far the engine is with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It serves everybody.
    Open,
    /// What was begun ends. Functions that still run may need the engine for that.
    Draining,
    /// Nobody is served any more.
    Over,
}

/// Resolves when the engine has come as far as `wanted`.
pub(crate) async fn until(mut stage: watch::Receiver<Stage>, wanted: Stage) {
    // An error means that the engine is gone already.
    let _gone = stage.wait_for(|stage| *stage >= wanted).await;
}

/// Serves each environment at the listener inside its network, and carries what it sends further, as
/// long as that exists.
pub(crate) async fn serve_doors(
    mut opened: UnboundedReceiver<Door>,
    (shared, nat): (Arc<Shared>, Nat),
    stage: watch::Receiver<Stage>,
) {
    while let Some(door) = opened.recv().await {
        let Door {
            listener,
            tunnel,
            closed,
        } = door;
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%error, "functions of an environment cannot reach the engine");
                continue;
            }
        };
        let over = until(stage.clone(), Stage::Over);
        let ended = async move {
            tokio::select! {
                _ = closed => {}
                () = over => {}
            }
        };
        let served = run(
            (listener, Callers::Functions),
            Arc::clone(&shared),
            ended,
            Duration::ZERO,
        );
        let nat = nat.clone();
        tokio::spawn(async move {
            match tunnel {
                Some(tunnel) => tokio::select! {
                    () = served => {}
                    () = carry(&nat, tunnel) => {}
                },
                None => served.await,
            }
        });
    }
}

/// Carries an environment's traffic; never ends of itself.
async fn carry(nat: &Nat, tunnel: Tunnel) {
    nat.serve(WayOut(tunnel)).await;
    std::future::pending::<()>().await;
}

/// A tunnel of the sandbox's, as the NAT takes it.
struct WayOut(Tunnel);

impl Link for WayOut {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.receive(buffer)
    }

    fn send(&self, packet: &[u8]) {
        // What finds no room is sent again by those who need it there.
        let _lost = self.0.send(packet);
    }
}

/// Serves until `stop` resolves, then lets running requests end for as long as `drain`.
pub(crate) async fn run(
    (listener, callers): (TcpListener, Callers),
    shared: Arc<Shared>,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let mut stop = pin!(stop);
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let mut complaints = Complaints::default();
    let room = Arc::new(Semaphore::new(match callers {
        Callers::Anybody => Semaphore::MAX_PERMITS,
        Callers::Functions => CONNECTIONS_OF_FUNCTIONS,
    }));
    loop {
        let accepting = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepting => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if complaints.due(shared.clock.monotonic()) {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                shared.clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(answer(&shared, request, (peer.ip(), callers)).await) }
        });
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    let ended = tokio::time::timeout(drain, graceful.shutdown()).await;
    if ended.is_err() && callers == Callers::Anybody {
        tracing::warn!("some requests were cut off after {} s", drain.as_secs());
    }
}

/// Keeps what happens again and again to one line a second.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<Duration>,
}

impl Complaints {
    const EVERY: Duration = Duration::from_secs(1);

    /// Whether to complain at `now`, a time of the monotonic clock.
    fn due(&mut self, now: Duration) -> bool {
        let due = self
            .last
            .is_none_or(|last| now.saturating_sub(last) >= Self::EVERY);
        if due {
            self.last = Some(now);
        }
        due
    }
}

async fn answer(
    shared: &Shared,
    request: Request<Incoming>,
    (peer, callers): (IpAddr, Callers),
) -> Response<Body> {
    let request_id = RequestId::draw(&*shared.entropy);
    let (parts, body) = request.into_parts();
    if let Some(url) = Addressed::by_host(&shared.access, &parts) {
        let answer = function_url(shared, &url, (&parts, body), peer, request_id).await;
        return numbered(answer, request_id);
    }
    let mut answer = if let Err(error) = shared.access.check_origin(&parts) {
        boxed(refusal(error, &parts, request_id))
    } else if let Some(url) = Addressed::by_path(&parts) {
        function_url(shared, &url, (&parts, body), peer, request_id).await
    } else if control_api::owns(parts.uri.path()) {
        let local = callers == Callers::Anybody && peer.to_canonical().is_loopback();
        control_api::serve(shared, &parts, body, local).await
    } else if shared.access.cors_origin(&parts.headers).is_some() && Access::is_preflight(&parts) {
        preflight()
    } else {
        let ongoing = shared.activity.begin();
        let services = &shared.services;
        let answer = services.serve(&parts, body, peer, request_id).await;
        boxed(answer.map(|body| lasting(body, ongoing)))
    };
    if let Some(origin) = shared.access.cors_origin(&parts.headers) {
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        headers.insert(
            "access-control-expose-headers",
            HeaderValue::from_static("*"),
        );
    }
    numbered(answer, request_id)
}

async fn function_url(
    shared: &Shared,
    url: &Addressed<'_>,
    request: (&Parts, Incoming),
    peer: IpAddr,
    request_id: RequestId,
) -> Response<Body> {
    let ongoing = shared.activity.begin();
    let answer = function_url::serve(&shared.services, url, request, peer, request_id).await;
    boxed(answer.map(|body| lasting(body, ongoing)))
}

fn numbered(mut answer: Response<Body>, request_id: RequestId) -> Response<Body> {
    if let Ok(id) = HeaderValue::try_from(request_id.to_string()) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// A stream goes on after its request was answered.
fn lasting(body: wire::Body, ongoing: Ongoing) -> wire::Body {
    match body {
        wire::Body::Stream(parts) => {
            let parts = parts.inspect(move |_| {
                let _until_the_stream_is_dropped = &ongoing;
            });
            wire::Body::Stream(parts.boxed())
        }
        whole => whole,
    }
}

fn boxed(response: Response<wire::Body>) -> Response<Body> {
    response.map(BodyExt::boxed_unsync)
}

/// The answer to a browser that asks whether an allowed page may call.
fn preflight() -> Response<Body> {
    let mut answer = boxed(Response::new(wire::Body::Empty));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
    headers.insert("access-control-allow-methods", methods);
    // `*` does not cover Authorization, which every call carries.
    let allowed = HeaderValue::from_static("Authorization, *");
    headers.insert("access-control-allow-headers", allowed);
    headers.insert("access-control-max-age", HeaderValue::from_static("600"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Activity;
    use futures_util::{FutureExt as _, stream};
    use ids::{Clock as _, ManualClock, Timestamp};
    use std::pin::pin;

    #[test]
    fn a_stream_is_activity_until_it_is_dropped() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let activity = Activity::new(Arc::<ManualClock>::clone(&clock));
        let limit = Duration::from_secs(1);
        let endless = wire::Body::Stream(stream::pending().boxed());
        let body = lasting(endless, activity.begin());
        let mut idle = pin!(activity.idle(limit, || false));
        for _ in 0..3 {
            assert!(idle.as_mut().now_or_never().is_none());
            clock.advance(limit);
        }
        drop(body);
        let dropped = clock.monotonic();
        while idle.as_mut().now_or_never().is_none() {
            clock.advance(limit);
            assert!(clock.monotonic() < dropped + 4 * limit, "never idle");
        }
    }

    #[test]
    fn complains_once_a_second() {
        let mut complaints = Complaints::default();
        let due =
            [0, 20, 999, 1_000, 1_020, 5_000].map(|at| complaints.due(Duration::from_millis(at)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
