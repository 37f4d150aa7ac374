//! An answer that is a stream, as the test orders it.

use lambda_runtime::Error;
use lambda_runtime::streaming::{Body, Response, Sender, channel};
use serde::Deserialize;

use crate::gate;

/// What is to be streamed, and how that ends.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Order {
    /// How many chunks there are. Chunk `n` is the byte `n % 251`, again and again.
    chunks: usize,
    /// How long each of them is.
    size: usize,
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
            gate: false,
            end: End::Well,
        }
    }
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
        let byte = u8::try_from(number % 251)?;
        sender.send_data(vec![byte; order.size].into()).await?;
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
