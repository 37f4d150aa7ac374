//! The trace that an invocation belongs to: `X-Amzn-Trace-Id`.
//!
//! Form: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>.

/// The header for a function whose caller has sent `sent`: the caller's trace goes on, and what the
/// header leaves out is taken from `own`, a header that is whole. Without a trace to go on with, it
/// is `own`.
pub(crate) fn continued(sent: Option<&str>, own: String) -> String {
    let Some(sent) = sent.filter(|sent| member(sent, "Root").is_some_and(is_root)) else {
        return own;
    };
    let mut header = sent.to_owned();
    for name in ["Parent", "Sampled"] {
        if member(sent, name).is_none()
            && let Some(value) = member(&own, name)
        {
            header.extend([";", name, "=", value]);
        }
    }
    header
}

fn member<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|member| {
        let (key, value) = member.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

/// A version, a time in seconds and a number, the latter two in hexadecimal.
fn is_root(root: &str) -> bool {
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut parts = root.split('-');
    let (version, time, number) = (parts.next(), parts.next(), parts.next());
    version == Some("1")
        && time.is_some_and(|time| hex(time, 8))
        && number.is_some_and(|number| hex(number, 24))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    const OWN: &str = "Root=1-5759e988-000000000000000000000001;Parent=0000000000000002;Sampled=0";

    fn continued(sent: &str) -> String {
        super::continued(Some(sent), OWN.to_owned())
    }

    #[test]
    fn the_callers_trace_goes_on() {
        let whole = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        assert_eq!(continued(whole), whole);
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let filled = format!("{root};Parent=0000000000000002;Sampled=0");
        assert_eq!(continued(root), filled);
        let lineage = format!("{whole};Lineage=456f6a97:0");
        assert_eq!(continued(&lineage), lineage);
    }

    #[test]
    fn what_is_no_trace_is_replaced() {
        for sent in [
            "",
            "Sampled=1",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd86",
            "Root=1-5759e988-bd862e3fe1be46a994272793-1",
            "1-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(continued(sent), OWN, "{sent}");
        }
        assert_eq!(super::continued(None, OWN.to_owned()), OWN);
    }
}
