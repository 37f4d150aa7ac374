//! What web pages of other origins may do, as the URL's configuration says. The function has no say
//! in it: what it answers of the kind is replaced.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors>

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use wire::Body;
use wire::lambda::Cors;

/// The answer to a preflight; `None` for every other request.
pub(super) fn preflight(cors: &Cors, parts: &Parts) -> Option<Response<Body>> {
    let asks = parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    let mut answer = Response::new(Body::Empty);
    let headers = answer.headers_mut();
    if allow(cors, &parts.headers, headers) {
        list(
            headers,
            ACCESS_CONTROL_ALLOW_METHODS,
            cors.allow_methods.as_ref(),
        );
        list(
            headers,
            ACCESS_CONTROL_ALLOW_HEADERS,
            cors.allow_headers.as_ref(),
        );
        if let Some(seconds) = cors.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
    }
    Some(answer)
}

/// Says in an answer's headers whether the page that asked may read it.
pub(super) fn allow(cors: &Cors, asked: &HeaderMap, headers: &mut HeaderMap) -> bool {
    let said: [HeaderName; 6] = [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ];
    for name in said {
        headers.remove(name);
    }
    let Some(origin) = asked.get(ORIGIN) else {
        return false;
    };
    let allowed = cors.allow_origins.as_deref().unwrap_or_default();
    if !allowed.iter().any(|pattern| is_meant(pattern, origin)) {
        return false;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if cors.allow_credentials == Some(true) {
        let yes = HeaderValue::from_static("true");
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    list(
        headers,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        cors.expose_headers.as_ref(),
    );
    true
}

/// Whether `pattern` names `origin`: `*` stands for anything.
fn is_meant(pattern: &str, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((head, tail)) => {
            origin.len() >= head.len() + tail.len()
                && origin.starts_with(head)
                && origin.ends_with(tail)
        }
    }
}

fn list(headers: &mut HeaderMap, name: HeaderName, values: Option<&Vec<String>>) {
    let Some(values) = values.filter(|values| !values.is_empty()) else {
        return;
    };
    if let Ok(value) = HeaderValue::try_from(values.join(",")) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors() -> Cors {
        Cors {
            allow_origins: Some(vec![
                "https://a.example".to_owned(),
                "https://*.b.example".to_owned(),
            ]),
            allow_methods: Some(vec!["GET".to_owned(), "PUT".to_owned()]),
            allow_headers: Some(vec!["x-a".to_owned()]),
            expose_headers: Some(vec!["x-b".to_owned()]),
            allow_credentials: Some(true),
            max_age: Some(5),
        }
    }

    fn asked(method: Method, origin: Option<&'static str>) -> Parts {
        let mut request = http::Request::builder()
            .method(method)
            .header(ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_page_that_is_allowed_is_told_so() {
        let parts = asked(Method::OPTIONS, Some("https://x.b.example"));
        let answer = preflight(&cors(), &parts).unwrap();
        let said = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(said("access-control-allow-origin"), "https://x.b.example");
        assert_eq!(said("access-control-allow-methods"), "GET,PUT");
        assert_eq!(said("access-control-allow-headers"), "x-a");
        assert_eq!(said("access-control-expose-headers"), "x-b");
        assert_eq!(said("access-control-allow-credentials"), "true");
        assert_eq!(said("access-control-max-age"), "5");
        assert_eq!(said("vary"), "Origin");
    }

    #[test]
    fn every_other_page_is_told_nothing_whatever_the_function_says() {
        for origin in ["https://b.example", "https://a.example.evil", "null"] {
            let parts = asked(Method::OPTIONS, Some(origin));
            let answer = preflight(&cors(), &parts).unwrap();
            assert!(answer.headers().is_empty(), "{origin}");
            let mut headers = HeaderMap::new();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            assert!(!allow(&cors(), &parts.headers, &mut headers));
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn only_a_preflight_is_one() {
        assert!(preflight(&cors(), &asked(Method::GET, Some("https://a.example"))).is_none());
        assert!(preflight(&cors(), &asked(Method::OPTIONS, None)).is_none());
    }
}
