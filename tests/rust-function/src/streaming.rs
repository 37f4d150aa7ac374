//! An answer that is a stream, as the test orders it.

use lambda_runtime::Error;
use lambda_runtime::streaming::{Body, Response, Sender, channel};
use serde::Deserialize;
use serde_json::Value;

use crate::gate;

/// What is to be streamed, and how that ends.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Order {
    /// How many chunks there are. Chunk `n` is the byte `n % 251`, again and again.
    chunks: usize,
    /// How long each of them is.
    size: usize,
    /// Whether chunks are the time at which they are written instead: `T` and microseconds.
    clock: bool,
    /// Whether it waits behind the first chunk until the test opens the gate.
    gate: bool,
    /// How it ends.
    end: End,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum End {
    /// As it should.
    #[default]
    Well,
    /// The process exits.
    Exit,
    /// Never.
    Hang,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            chunks: 1,
            size: 1,
            clock: false,
            gate: false,
            end: End::Well,
        }
    }
}

/// What an event orders: by its member `stream`, or by that of the body that came to a URL.
pub(crate) fn ordered(event: &Value) -> Result<Option<Order>, serde_json::Error> {
    let body = event.get("body").and_then(Value::as_str);
    let body: Option<Value> = body.and_then(|body| serde_json::from_str(body).ok());
    let order = event.get("stream").or_else(|| body.as_ref()?.get("stream"));
    order.map(Order::deserialize).transpose()
}

/// Begins to stream.
pub(crate) fn begin(order: Order, arn: String) -> Response<Body> {
    let (sender, body) = channel();
    tokio::spawn(async move {
        if let Err(error) = write(order, sender, &arn).await {
            #[expect(clippy::print_stderr, reason = "a function's log")]
            {
                eprintln!("the stream failed: {error}");
            }
        }
    });
    Response::from(body)
}

async fn write(order: Order, mut sender: Sender, arn: &str) -> Result<(), Error> {
    for number in 0..order.chunks {
        let chunk = match order.clock {
            true => time().into_bytes(),
            false => vec![u8::try_from(number % 251)?; order.size],
        };
        sender.send_data(chunk.into()).await?;
        if number == 0 && order.gate {
            gate::opened(arn).await?;
        }
    }
    match order.end {
        End::Well => {}
        End::Exit => {
            // What has been written is to be on its way.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            #[expect(clippy::exit, reason = "this is the fault that the test is about")]
            {
                std::process::exit(7)
            }
        }
        End::Hang => std::future::pending().await,
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is held against the clock of whoever reads it"
)]
fn time() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("T{:016}", since.unwrap_or_default().as_micros())
}
