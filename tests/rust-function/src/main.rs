//! A function written against AWS's own Rust runtime, deployed as `bootstrap` for `provided.*`.
//!
//! It answers with its event and what its context says; the event `"fail"` makes it fail, and
//! `"panic"` makes it panic, as a bug would. An event with `stream` has it stream: see [`streaming`].

mod gate;
mod streaming;

use std::io::{self, Write};

use lambda_runtime::streaming::Body;
use lambda_runtime::{Error, FunctionResponse, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(answer)).await
}

async fn answer(invocation: LambdaEvent<Value>) -> Result<FunctionResponse<Value, Body>, Error> {
    let LambdaEvent { payload, context } = invocation;
    if let Some(order) = streaming::ordered(&payload)? {
        let stream = streaming::begin(order, context.invoked_function_arn);
        return Ok(FunctionResponse::StreamingResponse(stream));
    }
    writeln!(io::stdout(), "rust function invoked")?;
    match payload.as_str() {
        Some("fail") => return Err("on purpose".into()),
        Some("panic") => {
            #[expect(clippy::panic, reason = "this is the fault that the test is about")]
            {
                panic!("on purpose")
            }
        }
        _ => {}
    }
    Ok(FunctionResponse::BufferedResponse(json!({
        "event": payload,
        "request_id": context.request_id,
        "arn": context.invoked_function_arn,
        "memory": context.env_config.memory,
    })))
}
