//! The payload of an invocation: bytes that must be JSON and are otherwise left alone.

use serde::de::IgnoredAny;

use crate::ServiceError;
use crate::lambda::errors;

/// Refuses a payload that is not JSON, as `Invoke` does. Builds no tree, and takes any depth.
///
/// The message has AWS's form, `Could not parse request body into json: Could not parse payload
/// into json: …`; the reason behind it names the position as serde does, not as Jackson does.
///
/// # Errors
/// 400 `InvalidRequestContentException`.
pub fn check(payload: &[u8]) -> Result<(), ServiceError> {
    reason(payload).map_or(Ok(()), |reason| {
        Err(errors::invalid_request_content_exception(format!(
            "Could not parse request body into json: Could not parse payload into json: {reason}"
        )))
    })
}

fn reason(payload: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(payload) {
        Ok(text) => text,
        Err(error) => {
            let byte = payload
                .get(error.valid_up_to())
                .copied()
                .unwrap_or_default();
            return Some(format!("Invalid UTF-8 start byte 0x{byte:02x}"));
        }
    };
    let error = serde_json::from_str::<IgnoredAny>(text).err()?;
    let word: String = text
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .take(64)
        .collect();
    Some(if word.starts_with(char::is_alphabetic) {
        format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false'); {error}"
        )
    } else {
        error.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(payload: &[u8]) -> String {
        let error = check(payload).unwrap_err();
        assert_eq!(error.code, "InvalidRequestContentException");
        assert_eq!(error.status, 400);
        error.message.unwrap()
    }

    #[test]
    fn json_passes() {
        for payload in ["{}", " [1, \"a\"] ", "null", "7", "\"\\u00e9\""] {
            assert_eq!(check(payload.as_bytes()), Ok(()), "{payload}");
        }
    }

    #[test]
    fn says_why_it_is_none() {
        assert!(refusal(b"hello {").starts_with(
            "Could not parse request body into json: Could not parse payload into json: \
             Unrecognized token 'hello': was expecting (JSON String, Number"
        ));
        assert!(refusal(b"{\"a\": \"\x87\"}").ends_with("Invalid UTF-8 start byte 0x87"));
        assert!(refusal(b"{\"a\"").contains("EOF"));
        assert!(refusal(b"{} {}").contains("trailing characters"));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(check(deep.as_bytes()), Ok(()));
    }
}
