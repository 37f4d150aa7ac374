use http::Request;

use super::*;

mod property;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2026-11-22T09:31:40Z.
const NOW: Timestamp = Timestamp(1_795_339_900_000_000);

fn seconds(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000)
}

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn verify(
    parts: &Parts,
    body: Payload<'_>,
    secret: &str,
    now: Timestamp,
) -> Result<(), SignatureError> {
    let signature = Signature::read(parts)?;
    let key = SigningKey::derive(secret, signature.scope());
    signature.verify(body, &key, now)
}

/// An `Authorization` header as clients write it.
fn authorization(scope: &str, headers: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={headers}, Signature={signature}")
}

/// The examples that AWS's documentation signs.
#[test]
fn the_documented_examples_verify() {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let at = time::parse_basic("20150830T123600Z").unwrap();
    let scope = "AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request";
    let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let list_users = parts(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        &[
            ("Host", "iam.amazonaws.com"),
            ("Content-Type", form),
            ("X-Amz-Date", "20150830T123600Z"),
            (
                "Authorization",
                &authorization(scope, "content-type;host;x-amz-date", signature),
            ),
        ],
    );
    assert_eq!(verify(&list_users, Payload::Body(b""), SECRET, at), Ok(()));

    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let at = time::parse_basic("20130524T000000Z").unwrap();
    let presigned = parts(
        "GET",
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        &[("Host", "examplebucket.s3.amazonaws.com")],
    );
    let later = at.plus(Duration::from_secs(86_399));
    assert_eq!(
        verify(&presigned, Payload::Body(b""), secret, later),
        Ok(())
    );

    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    let get_object = parts(
        "GET",
        "/test.txt",
        &[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Range", "bytes=0-9"),
            ("x-amz-content-sha256", empty),
            ("x-amz-date", "20130524T000000Z"),
            (
                "Authorization",
                &authorization(
                    scope,
                    "host;range;x-amz-content-sha256;x-amz-date",
                    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
                ),
            ),
        ],
    );
    assert_eq!(verify(&get_object, Payload::Body(b""), secret, at), Ok(()));
    assert_eq!(
        verify(&get_object, Payload::Body(b"x"), secret, at),
        Err(SignatureError::OtherPayload)
    );
}

/// What botocore 1.44.5 signed at [`NOW`], with all that a path and a query can hold.
#[test]
fn what_botocore_signs_verifies() {
    let scope = |rest: &str| format!("AKIDEXAMPLE/20261122/{rest}/aws4_request");
    let date = ("X-Amz-Date", "20261122T093140Z");
    let verified = |parts: &Parts, body: &[u8]| {
        assert_eq!(
            verify(parts, Payload::Body(body), SECRET, NOW),
            Ok(()),
            "{parts:?}"
        );
    };
    verified(
        &parts(
            "POST",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations?Qualifier=%24LATEST",
            &[
                date,
                ("Host", "127.0.0.1:4566"),
                ("X-Amz-Invocation-Type", "RequestResponse"),
                (
                    "Authorization",
                    &authorization(
                        &scope("us-east-1/lambda"),
                        "host;x-amz-date;x-amz-invocation-type",
                        "0e5240e38847bedd5939da2e1ac2a104dd4cdbafdf97d4a457fd36fbb80ba977",
                    ),
                ),
            ],
        ),
        b"{\"n\": 1}",
    );
    verified(
        &parts(
            "GET",
            "//a/./b/../c//d/?z=1&a=%20b&a=&A=~-_.%2F",
            &[
                date,
                ("Host", "localhost:4566"),
                (
                    "Authorization",
                    &authorization(
                        &scope("eu-west-1/lambda"),
                        "host;x-amz-date",
                        "bc2e00fab3bb5f1c75f154e3257bac1b51cd5ff4c187db56b7f4e1a8b79643ff",
                    ),
                ),
            ],
        ),
        b"",
    );
    verified(
        &parts(
            "POST",
            "/",
            &[
                date,
                ("Host", "127.0.0.1:4566"),
                ("X-Amz-Target", "Logs_20140328.PutLogEvents"),
                ("Content-Type", "application/x-amz-json-1.1"),
                ("X-Odd", "  two   blanks  "),
                (
                    "Authorization",
                    &authorization(
                        &scope("us-east-1/logs"),
                        "content-type;host;x-amz-date;x-amz-target;x-odd",
                        "acd113b8c012657220479b0477a5b3bc65d7687693c4118433ca571aa65a4937",
                    ),
                ),
            ],
        ),
        "{\"a\":\"é\"}".as_bytes(),
    );
    verified(
        &parts(
            "PUT",
            "/bucket/a%20b//c/../d%2Be?partNumber=1&uploads",
            &[
                date,
                ("Host", "127.0.0.1:4566"),
                (
                    "X-Amz-Content-SHA256",
                    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
                ),
                (
                    "Authorization",
                    &authorization(
                        &scope("us-east-1/s3"),
                        "host;x-amz-content-sha256;x-amz-date",
                        "451b8fe9693b0cf463648025d7debd6d508d5aa9d8cfd188b0d4de0ce0bbb331",
                    ),
                ),
            ],
        ),
        b"hello",
    );
}

#[test]
fn session_tokens_are_part_of_what_is_signed() {
    let presigned = parts(
        "GET",
        "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLE%2F20261122%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20261122T093140Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=token%2B%2F%3Dwith%3D&X-Amz-Signature=9670385fc6121ec034102037ff1a4ad3f9024a41416ef6630e5fc56d382ac3e5",
        &[("Host", "sts.amazonaws.com")],
    );
    let signature = Signature::read(&presigned).unwrap();
    assert_eq!(signature.session_token(), Some("token+/=with="));
    assert!(signature.is_presigned());
    assert_eq!(signature.scope().access_key_id, "ASIAEXAMPLE");
    let secret = "secret/+";
    assert_eq!(verify(&presigned, Payload::Body(b""), secret, NOW), Ok(()));

    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let with_token = |token: &str| {
        let authorization = authorization(
            "ASIAEXAMPLE/20261122/us-east-1/iam/aws4_request",
            "content-type;host;x-amz-date;x-amz-security-token",
            "7276189ad8940f3428e9349b8dd71a92c7550b2f507560327b0a126e8cb81ec1",
        );
        let parts = parts(
            "POST",
            "/",
            &[
                ("Host", "iam.amazonaws.com"),
                ("Content-Type", form),
                ("X-Amz-Date", "20261122T093140Z"),
                ("X-Amz-Security-Token", token),
                ("Authorization", &authorization),
            ],
        );
        let body = Payload::Body(b"Action=ListRoles&Version=2010-05-08");
        verify(&parts, body, secret, NOW)
    };
    assert_eq!(with_token("token+/=with="), Ok(()));
    assert_eq!(with_token("another"), Err(SignatureError::Mismatch));
}

/// A presigned URL of S3, with its expiry in the place of 600.
fn presigned(expires: &str) -> Parts {
    let uri = format!(
        "/bucket/k%20ey?response-content-type=text%2Fplain&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T093140Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=cd73860a0aa0738c5a7bb5084f1c5fe5ea9f19e227404042754a0ac1642befc4"
    );
    parts("GET", &uri, &[("Host", "127.0.0.1:4566")])
}

#[test]
fn a_presigned_url_is_good_for_its_time() {
    let good = presigned("600");
    let at = |now| verify(&good, Payload::Declared, SECRET, now);
    assert_eq!(at(NOW), Ok(()));
    assert_eq!(at(seconds(600)), Ok(()));
    assert!(matches!(
        at(seconds(601)),
        Err(SignatureError::PresignedExpired { .. })
    ));
    assert!(matches!(
        at(seconds(-901)),
        Err(SignatureError::NotYet { .. })
    ));
    assert_eq!(
        Signature::read(&good).unwrap().declared(),
        Ok(Declared::Unsigned)
    );
    assert_eq!(
        verify(&presigned("601"), Payload::Declared, SECRET, NOW),
        Err(SignatureError::Mismatch)
    );
    for expires in ["0", "604801", "-1", "", "x"] {
        let error = Signature::read(&presigned(expires)).unwrap_err();
        assert!(error.to_string().contains("604800"), "{expires}: {error}");
    }
    assert!(Signature::read(&presigned("604800")).is_ok());
}

fn list_roles(headers: &[(&str, &str)], signed: &str) -> Parts {
    let authorization = authorization(
        "AKIDEXAMPLE/20261122/us-east-1/iam/aws4_request",
        signed,
        &"0".repeat(64),
    );
    let mut all = vec![("Authorization", authorization.as_str())];
    all.extend(headers);
    parts("POST", "/", &all)
}

#[test]
fn says_what_is_wrong_as_aws_does() {
    let refused = |parts: &Parts| {
        let error: crate::ServiceError = verify(parts, Payload::Body(b""), SECRET, NOW)
            .unwrap_err()
            .into();
        (error.code.into_owned(), error.message.unwrap())
    };
    let invalid = |message: &str| ("InvalidSignatureException".to_owned(), message.to_owned());
    let incomplete = |message: &str| {
        (
            "IncompleteSignatureException".to_owned(),
            message.to_owned(),
        )
    };
    let host = ("Host", "x");

    assert_eq!(
        refused(&parts("GET", "/", &[host])),
        (
            "MissingAuthenticationTokenException".to_owned(),
            "Missing Authentication Token".to_owned()
        )
    );
    assert_eq!(
        refused(&list_roles(
            &[host, ("X-Amz-Date", "20261122T093140Z")],
            "host;x-amz-date"
        )),
        invalid(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details."
        )
    );
    assert_eq!(
        refused(&list_roles(
            &[host, ("X-Amz-Date", "20261122T091639Z")],
            "host;x-amz-date"
        )),
        invalid(
            "Signature expired: 20261122T091639Z is now earlier than 20261122T091640Z \
             (20261122T093140Z - 15 min.)"
        )
    );
    assert_eq!(
        refused(&list_roles(
            &[host, ("X-Amz-Date", "20261122T094641Z")],
            "host;x-amz-date"
        )),
        invalid(
            "Signature not yet current: 20261122T094641Z is still later than 20261122T094640Z \
             (20261122T093140Z + 15 min.)"
        )
    );
    assert_eq!(
        refused(&list_roles(
            &[host, ("X-Amz-Date", "20261123T093140Z")],
            "host;x-amz-date"
        )),
        invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '20261122' != '20261123', from '20261123T093140Z'."
        )
    );
    assert_eq!(
        refused(&list_roles(
            &[("X-Amz-Date", "20261122T093140Z")],
            "x-amz-date"
        )),
        invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    );
    assert_eq!(
        refused(&list_roles(
            &[host, ("X-Amz-Date", "20261122T093140Z")],
            "host"
        )),
        invalid("There were headers present in the request which were not signed: x-amz-date")
    );
    assert_eq!(
        refused(&list_roles(&[host], "host")),
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    );
    assert_eq!(
        refused(&parts(
            "GET",
            "/",
            &[("Authorization", "AWS4-HMAC-SHA256 ")]
        ))
        .1,
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
         Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
    );
    let scope = "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0";
    assert_eq!(
        refused(&parts(
            "GET",
            "/",
            &[("Authorization", scope), ("X-Amz-Date", "20261122T093140Z")]
        )),
        incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got 'a/b/c'"
        )
    );
    assert_eq!(
        refused(&parts("GET", "/", &[("Authorization", "Bearer token")])).0,
        "IncompleteSignatureException"
    );
}

#[test]
fn the_clock_may_be_off_by_a_quarter_of_an_hour() {
    for (at, fine) in [
        ("20261122T091640Z", true),
        ("20261122T091639Z", false),
        ("20261122T094640Z", true),
        ("20261122T094641Z", false),
    ] {
        let parts = list_roles(&[("Host", "x"), ("X-Amz-Date", at)], "host;x-amz-date");
        let error = verify(&parts, Payload::Body(b""), SECRET, NOW).unwrap_err();
        assert_eq!(error == SignatureError::Mismatch, fine, "{at}: {error}");
        let head = Signature::read(&parts).unwrap().check_head(NOW);
        assert_eq!(head.is_ok(), fine, "{at}");
    }
}

#[test]
fn a_date_header_stands_in() {
    let parts = list_roles(
        &[("Host", "x"), ("Date", "Sun, 22 Nov 2026 09:31:40 GMT")],
        "date;host",
    );
    assert_eq!(Signature::read(&parts).unwrap().at, NOW);
}

#[test]
fn times_that_are_none() {
    for text in [
        "",
        "20261122T093140",
        "2026-11-22T09:31Z",
        "20261322T093140Z",
        "+0261122T093140Z",
    ] {
        assert_eq!(time::parse_basic(text), None, "{text}");
    }
}

#[test]
fn a_key_is_never_printed() {
    let signature = presigned("600");
    let scope = Signature::read(&signature).unwrap().scope().clone();
    let key = SigningKey::derive(SECRET, &scope);
    assert_eq!(format!("{key:?}"), "SigningKey(<redacted>)");
    let long = "s".repeat(200);
    assert_ne!(
        SigningKey::derive(&long, &scope).bytes(),
        SigningKey::derive(&long[1..], &scope).bytes()
    );
}

/// Of two parts that say different things, one would route and the other would be verified.
#[test]
fn nothing_is_said_twice() {
    let good = "Credential=A/20261122/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=00";
    for more in [
        "Credential=B/20261122/us-east-1/iam/aws4_request",
        "SignedHeaders=host;x-amz-date",
        "Signature=01",
    ] {
        let name = more.split('=').next().unwrap();
        for text in [format!("{more}, {good}"), format!("{good},{more}")] {
            let authorization = format!("AWS4-HMAC-SHA256 {text}");
            let parts = parts("GET", "/", &[("Authorization", &authorization)]);
            assert_eq!(
                Claim::read(&parts).unwrap_err(),
                SignatureError::Incomplete(format!(
                    "Authorization header has '{name}' more than once."
                ))
            );
        }
    }
    let authorization = format!("AWS4-HMAC-SHA256 {good}");
    let authorization = ("Authorization", authorization.as_str());
    let twice = parts("GET", "/", &[authorization, authorization]);
    assert!(Claim::read(&twice).is_err());

    let uri = presigned("600").uri.to_string();
    for more in [
        "X-Amz-Credential=B%2F20261122%2Fus-east-1%2Fs3%2Faws4_request",
        "X-Amz%2DCredential=B%2F20261122%2Fus-east-1%2Fs3%2Faws4_request",
        "X-Amz-Signature=00",
        "X-Amz-SignedHeaders=host",
        "X-Amz-Security-Token",
        "X-Amz-Security%2dToken=a&X-Amz-Security-Token=b",
    ] {
        let (path, query) = uri.split_once('?').unwrap();
        for query in [format!("{more}&{query}"), format!("{query}&{more}")] {
            let parts = parts("GET", &format!("{path}?{query}"), &[("Host", "x")]);
            let lone = more == "X-Amz-Security-Token";
            assert_eq!(Claim::read(&parts).is_ok(), lone, "{query}");
        }
    }
}
