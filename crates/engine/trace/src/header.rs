//! The trace that a call belongs to: `X-Amzn-Trace-Id`.
//!
//! Form: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>.

use std::fmt;

use ids::{Clock, Entropy};

/// A trace. Its upper 32 bits are the time of its beginning in seconds since the epoch, as AWS has it;
/// to others it is 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub u128);

/// A part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub u64);

/// What a caller says of the trace that its call is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The trace.
    pub root: TraceId,
    /// The part of it that calls; nothing where none is named, and the trace begins with the call.
    pub parent: Option<SpanId>,
    /// Whether it is recorded; `None` where nobody has decided yet.
    pub sampled: Option<bool>,
    /// Which functions the chain of calls has come by, as Lambda notes it.
    pub lineage: Option<String>,
    /// What else the caller says, which is handed on as it is.
    pub others: String,
}

impl Header {
    /// The header for a call whose caller has sent `sent`: its trace goes on where that names one,
    /// and otherwise begins.
    pub fn of(sent: Option<&str>, clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        if let Some(header) = sent.and_then(Self::parse) {
            return header;
        }
        let seconds = u128::try_from(clock.now().as_millis() / 1_000).unwrap_or_default();
        Self {
            root: TraceId(seconds << 96 | entropy.bits() >> 32),
            parent: None,
            sampled: None,
            lineage: None,
            others: String::new(),
        }
    }

    /// Reads a header that somebody has written; nothing where it names no trace.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut root, mut parent, mut sampled, mut lineage) = (None, None, None, None);
        let mut others = String::new();
        for member in text.split(';').map(str::trim) {
            match member.split_once('=') {
                Some(("Root", value)) => root = TraceId::parse(value),
                Some(("Parent", value)) => parent = SpanId::parse(value),
                // `?` asks for a decision.
                Some(("Sampled", value)) => {
                    sampled = match value {
                        "1" => Some(true),
                        "0" => Some(false),
                        _ => None,
                    };
                }
                Some(("Lineage", value)) => lineage = Some(value.to_owned()),
                Some(_) => others.extend([";", member]),
                None => {}
            }
        }
        Some(Self {
            root: root?,
            parent,
            sampled,
            lineage,
            others,
        })
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            root: TraceId(root),
            parent,
            sampled,
            lineage,
            others,
        } = self;
        let (time, number) = (root >> 96, root & NUMBER);
        write!(f, "Root=1-{time:08x}-{number:024x}")?;
        if let Some(SpanId(parent)) = parent {
            write!(f, ";Parent={parent:016x}")?;
        }
        if let Some(sampled) = sampled {
            write!(f, ";Sampled={}", u8::from(*sampled))?;
        }
        f.write_str(others)?;
        match lineage {
            Some(lineage) => write!(f, ";Lineage={lineage}"),
            None => Ok(()),
        }
    }
}

/// What of a trace's id is no time.
const NUMBER: u128 = (1 << 96) - 1;

impl TraceId {
    /// Reads `1-TIME-NUMBER`, the latter two in hexadecimal.
    fn parse(text: &str) -> Option<Self> {
        let (time, number) = text.strip_prefix("1-")?.split_once('-')?;
        let time = hexadecimal(time, 8)?;
        let number = hexadecimal(number, 24)?;
        Some(Self(time << 96 | number))
    }
}

impl SpanId {
    /// A new one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let bits = u64::try_from(entropy.bits() >> 64).unwrap_or_default();
        // Zero is none, to OpenTelemetry.
        Self(bits.max(1))
    }

    fn parse(text: &str) -> Option<Self> {
        let number = u64::try_from(hexadecimal(text, 16)?).ok()?;
        (number != 0).then_some(Self(number))
    }
}

fn hexadecimal(text: &str, length: usize) -> Option<u128> {
    let is_one = text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_one.then(|| u128::from_str_radix(text, 16));
    number?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{ManualClock, SeededEntropy, Timestamp};
    use proptest::prelude::*;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";

    fn of(sent: &str) -> Header {
        Header::of(
            Some(sent),
            &ManualClock::at(Timestamp(1_795_339_900_000_000)),
            &SeededEntropy::new(1),
        )
    }

    #[test]
    fn the_callers_trace_goes_on() {
        let whole = format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1");
        assert_eq!(of(&whole).to_string(), whole);
        let lineage = format!("{whole};Lineage=456f6a97:0");
        assert_eq!(of(&lineage).to_string(), lineage);
        let header = of(&format!("Self=1-2-3; Sampled=? ;{ROOT}"));
        assert_eq!(header.sampled, None);
        assert_eq!(
            header.root,
            TraceId(0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793)
        );
        assert_eq!(header.parent, None);
        assert!(header.to_string().ends_with(";Self=1-2-3"), "{header}");
    }

    #[test]
    fn what_is_no_trace_is_replaced() {
        let own = Header::of(
            None,
            &ManualClock::at(Timestamp(1_795_339_900_000_000)),
            &SeededEntropy::new(1),
        );
        for sent in [
            "",
            "Sampled=1",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd86",
            "Root=1-5759e988-+d862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793-1",
            "1-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(of(sent), own, "{sent}");
        }
        let odd = of(&format!("{ROOT};Parent=53995c3f"));
        assert_eq!(odd.parent, None, "a parent that is none");
    }

    /// Members in any order, of which most are as they should be; often more than one of a name.
    fn members() -> impl Strategy<Value = String> {
        let member = prop_oneof![
            6 => "Root=1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}",
            1 => "Root=[0-9a-f-]{0,40}",
            3 => "Parent=[0-9a-f]{16}",
            1 => "Parent=\\PC{0,17}",
            2 => "Sampled=[01?]",
            1 => "Sampled=\\PC{0,2}",
            2 => "Lineage=[0-9a-f]{8}:[0-9]{1,3}",
            1 => "Lineage=\\PC{0,20}",
            1 => "[A-Za-z]{0,8}=?\\PC{0,8}",
        ];
        let separator = prop_oneof![Just(";"), Just("; "), Just(" ;")];
        proptest::collection::vec((member, separator), 0..8).prop_map(|members| {
            let written = members.into_iter();
            written
                .map(|(member, separator)| member + separator)
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(root: u128, parent: Option<std::num::NonZeroU64>, sampled: Option<bool>) {
            let header = Header {
                root: TraceId(root),
                parent: parent.map(|parent| SpanId(parent.get())),
                sampled,
                lineage: None,
                others: String::new(),
            };
            prop_assert_eq!(Header::parse(&header.to_string()), Some(header));
        }

        #[test]
        fn nothing_that_is_sent_does_harm(sent in prop_oneof![members(), "\\PC{0,80}"]) {
            let header = of(&sent);
            prop_assert_eq!(Header::parse(&header.to_string()), Some(header));
        }
    }
}
