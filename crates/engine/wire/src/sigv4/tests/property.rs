//! Signed by AWS's own crate: everything verifies, and nothing does that was changed.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A request that can be signed and then changed.
#[derive(Debug, Clone)]
struct Message {
    service: &'static str,
    method: &'static str,
    path: String,
    query: String,
    header: String,
    body: Vec<u8>,
    presigned: bool,
}

impl Message {
    fn uri(&self) -> String {
        format!("http://localhost:4566{}?{}", self.path, self.query)
    }

    /// As AWS's own crate signs it.
    fn sign(&self) -> Parts {
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(60));
        }
        let identity = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test").into();
        let at = u64::try_from(NOW.0).unwrap() / 1_000_000;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(self.service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(at))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        // What is sent to a presigned URL of S3 is not known when it is signed.
        let body = if self.service == "s3" && self.presigned {
            SignableBody::UnsignedPayload
        } else {
            SignableBody::Bytes(&self.body)
        };
        let headers = [("x-amz-meta-a", self.header.as_str())];
        let request =
            SignableRequest::new(self.method, self.uri(), headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.uri())
            .header("x-amz-meta-a", &self.header)
            .body(())
            .unwrap();
        instructions.apply_to_request_http1x(&mut request);
        let host = HeaderValue::from_static("localhost:4566");
        request.headers_mut().insert(http::header::HOST, host);
        request.into_parts().0
    }

    fn payload(&self) -> Payload<'_> {
        Payload::Body(&self.body)
    }
}

fn message() -> impl Strategy<Value = Message> {
    (
        select(&["lambda", "logs", "s3"][..]),
        select(&["GET", "POST", "PUT", "DELETE"][..]),
        "(/([a-zA-Z0-9._~-]|%20|%2F|%C3%A9|%3A){1,6}){0,4}/?",
        "([a-zA-Z]{1,3}=([a-zA-Z0-9._~-]|%20|%2F|%2B|%26){0,4}(&[a-c]=[0-9]{1,2}){0,3})?",
        "[a-zA-Z0-9,;=]{1,8}( {1,3}[a-z0-9]{1,4}){0,2}",
        proptest::collection::vec(any::<u8>(), 0..32),
        any::<bool>(),
    )
        .prop_map(
            |(service, method, path, query, header, body, presigned)| Message {
                service,
                method,
                path: if path.is_empty() {
                    "/".to_owned()
                } else {
                    path
                },
                query,
                header,
                body,
                presigned,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_awss_own_crate_signs_verifies(message in message()) {
        let parts = message.sign();
        prop_assert_eq!(verify(&parts, message.payload(), SECRET, NOW), Ok(()));
    }

    #[test]
    fn any_change_breaks_it(message in message(), change in 0..7_u8, other in "[a-z]{1,4}") {
        let mut parts = message.sign();
        let mut body = message.body.clone();
        let mut secret = SECRET.to_owned();
        let uri = parts.uri.to_string();
        match change {
            0 => parts.method = if parts.method == "GET" { "PUT" } else { "GET" }.parse().unwrap(),
            1 => {
                let query = parts.uri.query().unwrap_or_default();
                let path = parts.uri.path();
                parts.uri = format!("http://localhost:4566/x{other}{path}?{query}").parse().unwrap();
            }
            2 => {
                let and = if uri.ends_with('?') { "" } else { "&" };
                parts.uri = format!("{uri}{and}{other}=1").parse().unwrap();
            }
            3 => {
                let value = HeaderValue::from_str(&format!("{}{other}", message.header)).unwrap();
                parts.headers.insert("x-amz-meta-a", value);
            }
            4 => {
                let name = HeaderName::from_bytes(format!("x-amz-{other}").as_bytes()).unwrap();
                parts.headers.insert(name, HeaderValue::from_static("1"));
            }
            // What a presigned URL of S3 has as its body is not signed.
            5 if message.service == "s3" && message.presigned => {
                parts.headers.insert(http::header::HOST, HeaderValue::from_static("other"));
            }
            5 => body.push(0),
            _ => secret.push_str(&other),
        }
        prop_assert!(verify(&parts, Payload::Body(&body), &secret, NOW).is_err());
    }

    #[test]
    fn never_panics(
        authorization in "(AWS4-HMAC-SHA256 )?((Credential|SignedHeaders|Signature)=[ -~]{0,40},? ?){0,4}",
        date in "[0-9TZ:, a-zA-Z]{0,20}",
        query in "((X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)|[a-z])=[!-~&&[^#<>\"`{}]]{0,20}&?){0,6}",
    ) {
        for header in [true, false] {
            let mut request = Request::builder().uri(format!("/?{query}")).header("x-amz-date", &date);
            if header {
                request = request.header("authorization", &authorization);
            }
            let Ok(request) = request.body(()) else { continue };
            let parts = request.into_parts().0;
            prop_assert!(verify(&parts, Payload::Body(b""), SECRET, NOW).is_err());
            // Who routes a request goes by the scope that is verified.
            if let (Ok(claim), Ok(signature)) = (Claim::read(&parts), Signature::read(&parts)) {
                prop_assert_eq!(claim.scope(), signature.scope());
            }
        }
    }
}
