//! How the test says when to go on: by a tag of the function, which the function asks the engine for.

use std::time::Duration;

use lambda_runtime::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How often it asks.
const PAUSE: Duration = Duration::from_millis(20);

const CREDENTIALS: &str = "AWS4-HMAC-SHA256 \
    Credential=function/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";

/// Resolves once the function `arn` has the tag `gate`.
pub(crate) async fn opened(arn: &str) -> Result<(), Error> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL")?;
    let address = endpoint.trim_start_matches("http://");
    let request = format!(
        "GET /2017-03-31/tags/{arn} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: {CREDENTIALS}\r\n\r\n"
    );
    loop {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        if answer.contains("\"gate\"") {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
