//! Who calls, read from the request's signature. The signature itself is not verified here.
//!
//! Format: <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>.

use http::header::AUTHORIZATION;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use wire::ServiceError;

/// The credential scope of a signed request: `AKID/20261122/us-east-1/lambda/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key_id: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

/// Reads the scope from the `Authorization` header or the presigned query.
///
/// # Errors
/// There is a signature, and it is not AWS's version 4.
pub(crate) fn scope(request: &Parts) -> Result<Scope, ServiceError> {
    let malformed = |what: &str| ServiceError::new("IncompleteSignatureException", 403, what);
    let credential = match request.headers.get(AUTHORIZATION) {
        Some(header) => {
            let text = header
                .to_str()
                .map_err(|_| malformed("Authorization header is not ASCII."))?;
            let rest = text.strip_prefix("AWS4-HMAC-SHA256").ok_or_else(|| {
                malformed("Authorization header requires the AWS4-HMAC-SHA256 algorithm.")
            })?;
            rest.split(',')
                .find_map(|part| part.trim().strip_prefix("Credential="))
                .ok_or_else(|| malformed("Authorization header requires 'Credential' parameter."))?
                .to_owned()
        }
        None => request
            .uri
            .query()
            .and_then(|query| {
                query
                    .split('&')
                    .find_map(|part| part.strip_prefix("X-Amz-Credential="))
            })
            .map(|value| percent_decode_str(value).decode_utf8_lossy().into_owned())
            .ok_or_else(|| malformed("The query requires 'X-Amz-Credential'."))?,
    };
    // The access key id may itself hold slashes; the four parts behind it may not.
    let mut parts = credential.rsplitn(5, '/');
    let mut next = || parts.next().map(str::to_owned);
    match (next(), next(), next(), next(), next()) {
        (Some(terminator), Some(service), Some(region), Some(_date), Some(access_key_id))
            if terminator == "aws4_request" && !access_key_id.is_empty() =>
        {
            Ok(Scope {
                access_key_id,
                region,
                service,
            })
        }
        _ => Err(malformed(
            "Credential must have the form ACCESS_KEY/DATE/REGION/SERVICE/aws4_request.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn read(authorization: &str) -> Result<Scope, ServiceError> {
        let request = Request::builder()
            .header(AUTHORIZATION, authorization)
            .body(())
            .unwrap();
        scope(&request.into_parts().0)
    }

    #[test]
    fn reads_a_header() {
        let scope = read(
            "AWS4-HMAC-SHA256 Credential=AKID/20261122/eu-west-1/lambda/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=00",
        );
        let expected = Scope {
            access_key_id: "AKID".into(),
            region: "eu-west-1".into(),
            service: "lambda".into(),
        };
        assert_eq!(scope.unwrap(), expected);
    }

    #[test]
    fn reads_a_presigned_query() {
        let request = Request::builder()
            .uri("/?X-Amz-Credential=AKID%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0")
            .body(())
            .unwrap();
        assert_eq!(scope(&request.into_parts().0).unwrap().service, "s3");
    }

    #[test]
    fn refuses_other_schemes() {
        for text in [
            "Bearer token",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=a/b/c",
        ] {
            assert_eq!(read(text).unwrap_err().status, 403, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[ -~]{0,80}") {
            let _ = read(&text);
        }
    }
}
