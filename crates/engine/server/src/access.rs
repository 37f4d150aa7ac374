//! Who may talk to the engine.
//!
//! The engine runs code, and it listens where every web page in the user's browser can send
//! requests to. Four rules keep such pages out, each against one trick:
//!
//! 1. The host must be ours. A page that has its own name resolve to 127.0.0.1 (DNS rebinding) is
//!    same-origin with us, but its requests carry its name. An engine that listens beyond loopback
//!    has names that it does not know; it verifies signatures, which no such page can make, and
//!    shows pages without one under its own names alone.
//! 2. The origin, where there is one, must be ours or allowed. This is what a browser adds to
//!    scripts' requests to other sites. Ours are loopback addresses and `localhost` on our own port;
//!    names below `localhost` are not, for pages that functions serve may have them.
//! 3. `Sec-Fetch-Site` must not tell of another site, unless the origin is an allowed one. Browsers
//!    send it with images, forms and links too, which carry no origin, yet can name any URL.
//! 4. There must be an AWS `Authorization` header or a presigned query, which [`wire::sigv4::Claim`]
//!    reads. A page can set that header only after a preflight, which is refused. Where signatures
//!    are not verified, a made-up query passes this rule; from a page it is the third that stops it.
//!
//! Function URLs are open to whom they say, by hosts that are theirs alone: `function_url`.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method};
use wire::ServiceError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules of one engine.
#[derive(Debug, Clone)]
pub struct Access {
    listen: SocketAddr,
    allow_origins: Vec<String>,
    verified: bool,
}

impl Access {
    /// The rules for an engine that listens on `listen`, with the origins that may call; `verified`
    /// where it verifies signatures.
    #[must_use]
    pub fn new(listen: SocketAddr, allow_origins: Vec<String>, verified: bool) -> Self {
        Self {
            listen,
            allow_origins,
            verified,
        }
    }

    /// Rules 1 to 3, which hold for every request.
    ///
    /// # Errors
    /// The error to answer.
    pub fn check_origin(&self, request: &Parts) -> Result<(), ServiceError> {
        let host = host(request).ok_or_else(|| refused("the request names no host"))?;
        if !self.is_known_by_others() && !self.is_ours(&host) {
            return Err(refused(&format!(
                "`{host}` is not a host name of this engine"
            )));
        }
        for origin in request.headers.get_all(ORIGIN) {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            if !self.is_allowed(&origin) && !self.is_own(&origin) {
                return Err(refused(&format!(
                    "web pages of the origin `{origin}` may not call; start the engine with \
                     --allow-origin if they should"
                )));
            }
        }
        let foreign = request.headers.get_all(SEC_FETCH_SITE).iter().any(|site| {
            let site = site.as_bytes();
            site.eq_ignore_ascii_case(b"cross-site") || site.eq_ignore_ascii_case(b"same-site")
        });
        if foreign && self.cors_origin(&request.headers).is_none() {
            return Err(refused("pages of other sites may not call"));
        }
        Ok(())
    }

    /// Whether the request is for a name that can only lead to this machine.
    ///
    /// Where the engine goes by names that it does not know, whatever carries no signature must ask
    /// this: a page may have a name of its own lead here.
    #[must_use]
    pub fn is_for_own_host(&self, request: &Parts) -> bool {
        host(request).is_some_and(|host| self.is_ours(&host))
    }

    /// The host that a request is for, without its port, where it has the form of a function URL's:
    /// a first label, `lambda-url`, and a name that can only lead to this machine.
    #[must_use]
    pub fn function_url_host(&self, request: &Parts) -> Option<String> {
        let host = bare_host(&plain_authority(&host(request)?)?);
        let (_, rest) = host.split_once('.')?;
        let suffix = rest.strip_prefix("lambda-url.")?;
        let ours = suffix == "localhost" || suffix.ends_with(".localhost");
        (ours || self.is_known_by_others()).then_some(host)
    }

    /// Whether it goes by names that it does not know.
    fn is_known_by_others(&self) -> bool {
        self.verified && !self.listen.ip().is_loopback()
    }

    /// The origin to name in CORS headers, where a page of an allowed one asks.
    #[must_use]
    pub fn cors_origin<'r>(&self, headers: &'r HeaderMap) -> Option<&'r http::HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.is_allowed(origin.to_str().ok()?).then_some(origin)
    }

    /// Whether this is the question that a browser asks before it lets a page call.
    #[must_use]
    pub fn is_preflight(request: &Parts) -> bool {
        request.method == Method::OPTIONS && request.headers.contains_key(ORIGIN)
    }

    fn is_allowed(&self, origin: &str) -> bool {
        self.allow_origins
            .iter()
            .any(|allowed| allowed == origin || allowed == "*")
    }

    /// Whether pages of `origin` come from the engine itself. Those of another port of this machine
    /// are another program's.
    fn is_own(&self, origin: &str) -> bool {
        let Some(authority) = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .and_then(plain_authority)
        else {
            return false;
        };
        let host = bare_host(&authority);
        let ours = match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost",
        };
        ours && authority.port_u16() == Some(self.listen.port())
    }

    /// Whether `authority` (`host` or `host:port`) can only lead to this machine. The port does not
    /// matter: it may have been forwarded, and no foreign name looks like ours by its port.
    fn is_ours(&self, authority: &str) -> bool {
        let Some(authority) = plain_authority(authority) else {
            return false;
        };
        let host = bare_host(&authority);
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || address == self.listen.ip(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }
}

/// `host` or `host:port`, without a user.
fn plain_authority(text: &str) -> Option<Authority> {
    let authority = text.parse::<Authority>().ok()?;
    (!authority.as_str().contains('@')).then_some(authority)
}

/// In lower case, and an IPv6 address without its brackets.
fn bare_host(authority: &Authority) -> String {
    let host = authority.host().trim_start_matches('[');
    host.trim_end_matches(']').to_ascii_lowercase()
}

/// The host that the request is for, from HTTP/2's `:authority` or the `Host` header; `None` where
/// there is none or more than one.
fn host(request: &Parts) -> Option<String> {
    let mut headers = request.headers.get_all(HOST).iter();
    let header = headers
        .next()
        .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    if headers.next().is_some() {
        return None;
    }
    match (request.uri.authority(), header) {
        (Some(authority), Some(header)) if authority.as_str() != header => None,
        (Some(authority), _) => Some(authority.to_string()),
        (None, header) => header,
    }
}

fn refused(reason: &str) -> ServiceError {
    ServiceError::access_denied(Some(format!("Refused: {reason}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn access() -> Access {
        Access::new(
            SocketAddr::from(([127, 0, 0, 1], 4566)),
            vec!["https://lab.example".to_owned()],
            false,
        )
    }

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().uri("/2015-03-31/functions/");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn our_own_names_pass() {
        for host in [
            "localhost:4566",
            "127.0.0.1:4566",
            "127.0.0.1",
            "[::1]:4566",
            "LOCALHOST",
            "abc.lambda-url.localhost:4566",
        ] {
            assert!(
                access().check_origin(&parts(&[("host", host)])).is_ok(),
                "{host}"
            );
        }
    }

    #[test]
    fn foreign_names_do_not() {
        for host in [
            "evil.example",
            "evil.example:4566",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "user@localhost",
            "localhost:4566@evil.example",
            "10.0.0.1",
            "",
        ] {
            let error = access()
                .check_origin(&parts(&[("host", host)]))
                .unwrap_err();
            assert_eq!(error.status, 403, "{host}");
        }
        assert!(access().check_origin(&parts(&[])).is_err());
        let twice = parts(&[("host", "localhost"), ("host", "evil.example")]);
        assert!(access().check_origin(&twice).is_err());
    }

    #[test]
    fn an_engine_for_other_machines_goes_by_any_name_but_not_for_foreign_pages() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 4566));
        let access = Access::new(everywhere, Vec::new(), true);
        let request = parts(&[("host", "lab.corp.example:4566")]);
        assert!(access.check_origin(&request).is_ok());
        assert!(!access.is_for_own_host(&request));
        assert!(access.is_for_own_host(&parts(&[("host", "127.0.0.1:4566")])));
        let request = parts(&[
            ("host", "lab.corp.example:4566"),
            ("origin", "https://evil.example"),
        ]);
        assert!(access.check_origin(&request).is_err());
        let loopback = SocketAddr::from(([127, 0, 0, 1], 4566));
        let access = Access::new(loopback, Vec::new(), true);
        let request = parts(&[("host", "lab.corp.example:4566")]);
        assert!(access.check_origin(&request).is_err());
    }

    #[test]
    fn foreign_pages_do_not() {
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "file://",
            "http://localhost",
            "http://localhost:8000",
            "http://127.0.0.1:1",
            "http://abc.lambda-url.localhost:4566",
            "http://user@localhost:4566",
        ] {
            let request = parts(&[("host", "localhost:4566"), ("origin", origin)]);
            assert!(access().check_origin(&request).is_err(), "{origin}");
        }
        for origin in [
            "http://localhost:4566",
            "http://127.0.0.1:4566",
            "http://[::1]:4566",
            "https://lab.example",
        ] {
            let request = parts(&[("host", "localhost:4566"), ("origin", origin)]);
            assert!(access().check_origin(&request).is_ok(), "{origin}");
        }
    }

    #[test]
    fn other_sites_do_not_even_without_an_origin() {
        let request = |site: &str, origin: Option<&str>| {
            let mut headers = vec![("host", "localhost:4566"), ("sec-fetch-site", site)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            access().check_origin(&parts(&headers))
        };
        for site in ["cross-site", "same-site", "Cross-Site"] {
            assert_eq!(request(site, None).unwrap_err().status, 403, "{site}");
            assert!(request(site, Some("http://localhost:4566")).is_err());
            assert!(request(site, Some("https://lab.example")).is_ok());
        }
        // Typed into the address bar, or from a page of ours.
        for site in ["none", "same-origin"] {
            assert!(request(site, None).is_ok(), "{site}");
        }
        let twice = parts(&[
            ("host", "localhost:4566"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", "cross-site"),
        ]);
        assert!(access().check_origin(&twice).is_err());
    }

    #[test]
    fn only_allowed_pages_get_cors_headers() {
        let headers = |origin| parts(&[("origin", origin)]).headers;
        assert!(
            access()
                .cors_origin(&headers("https://lab.example"))
                .is_some()
        );
        assert!(
            access()
                .cors_origin(&headers("http://localhost:4566"))
                .is_none()
        );
    }
}
