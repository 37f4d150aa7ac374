//! A server for the tests of this crate: real sockets, one answer.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the server says to every request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    head: String,
    body: String,
    stays_open: bool,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self {
            head: format!(
                "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n",
                body.len()
            ),
            body: body.to_owned(),
            stays_open: false,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Begins an answer and never ends it.
    pub(crate) fn open(status: u16) -> Self {
        Self {
            head: format!("HTTP/1.1 {status} Said\r\ntransfer-encoding: chunked\r\n"),
            body: String::new(),
            stays_open: true,
        }
    }
}

/// Listens on a free port of the loopback until it is dropped.
pub(crate) struct LocalServer {
    address: SocketAddr,
    open: watch::Receiver<usize>,
    requests: watch::Receiver<Vec<String>>,
    accepting: JoinHandle<()>,
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl LocalServer {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, open) = watch::channel(0);
        let (log, requests) = watch::channel(Vec::new());
        let (count, log) = (Arc::new(count), Arc::new(log));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count, log) = (answer.clone(), Arc::clone(&count), Arc::clone(&log));
                count.send_modify(|open| *open += 1);
                tokio::spawn(async move {
                    serve(stream, &answer, &log).await;
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            address,
            open,
            requests,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn open_connections(&self) -> usize {
        *self.open.borrow()
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.borrow().clone()
    }

    pub(crate) async fn all_closed(&self) {
        self.open.clone().wait_for(|open| *open == 0).await.unwrap();
    }

    /// Stops listening; gives the address at which nobody answers any more.
    pub(crate) async fn stop(mut self) -> String {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        self.url()
    }
}

async fn serve(mut stream: TcpStream, answer: &Answer, log: &watch::Sender<Vec<String>>) {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(end) = request_end(&received) {
            let request: Vec<u8> = received.drain(..end).collect();
            log.send_modify(|seen| seen.push(String::from_utf8_lossy(&request).into_owned()));
            let text = format!("{}\r\n{}", answer.head, answer.body);
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
            if answer.stays_open {
                while matches!(stream.read(&mut chunk).await, Ok(1..)) {}
                return;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => received.extend_from_slice(&chunk[..read]),
            _ => return,
        }
    }
}

/// Where the first request in the buffer ends, once it is whole.
fn request_end(received: &[u8]) -> Option<usize> {
    let head_end = received.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&received[..head_end]).to_ascii_lowercase();
    let body: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse().unwrap());
    (received.len() >= head_end + body).then_some(head_end + body)
}
