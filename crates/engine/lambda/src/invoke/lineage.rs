//! How often a chain of requests has come by a function: the member `Lineage` of the trace header.
//!
//! Lambda writes it, the SDKs inside functions send it on with what they call, and so it is known at
//! each invocation which functions were there before. A function that is invoked for the seventeenth
//! time in one chain is part of a loop, and is not, unless it says that it may be.
//!
//! What stops, and when: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>. The
//! form: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>,
//! one `HASH:LOOPS` for each function, where LOOPS is 0 at its first invocation. What is hashed is for
//! Lambda alone to know; here it is the function's ARN.

use store::Digest;
use trace::Header;

use crate::function::key::FunctionKey;

/// How many invocations of a function one chain of requests may have.
const LONGEST_CHAIN: u32 = 16;

/// How many functions a header tells of, the latest ones. A loop of more is not noticed.
const FUNCTIONS: usize = 64;

/// The header that an invocation of `function` gets, made of the one that came with its request.
pub(crate) fn prolonged(header: Header, function: &FunctionKey) -> Header {
    let own = hash(function);
    let mut functions = functions(&header);
    let loops = functions
        .iter()
        .position(|(known, _)| *known == own)
        .map_or(0, |at| functions.remove(at).1.saturating_add(1));
    functions.push((own, loops));
    let kept = functions.len().saturating_sub(FUNCTIONS);
    let lineage: Vec<String> = functions
        .iter()
        .skip(kept)
        .map(|(hash, loops)| format!("{hash}:{loops}"))
        .collect();
    Header {
        lineage: Some(lineage.join("|")),
        ..header
    }
}

/// Whether the invocation of `function` that has this header is one too many.
pub(crate) fn is_loop(header: &Header, function: &FunctionKey) -> bool {
    let own = hash(function);
    functions(header)
        .iter()
        .any(|(hash, loops)| *hash == own && *loops >= LONGEST_CHAIN)
}

/// Whom the header tells of, the latest last. Some SDKs write `|` as `%7C`.
fn functions(header: &Header) -> Vec<(String, u32)> {
    let lineage = header.lineage.as_deref().unwrap_or_default();
    let lineage = lineage.replace("%7C", "|");
    let told = lineage.split('|').filter_map(|entry| {
        let (hash, loops) = entry.split_once(':')?;
        let is_hash = hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some((hash.to_owned(), loops.parse().ok()?)).filter(|_| is_hash)
    });
    told.collect()
}

/// The length of a hash.
const HASH: usize = 8;

fn hash(function: &FunctionKey) -> String {
    let mut digest = Digest::of(function.arn().as_bytes()).to_string();
    digest.truncate(HASH);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";

    fn function(name: &str) -> FunctionKey {
        FunctionKey {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            name: name.into(),
        }
    }

    fn root() -> Header {
        Header::parse(ROOT).unwrap()
    }

    fn with(lineage: &str) -> Header {
        Header {
            lineage: Some(lineage.to_owned()),
            ..root()
        }
    }

    #[test]
    fn each_function_is_counted_by_itself() {
        let (a, b) = (function("a"), function("b"));
        let first = prolonged(root(), &a);
        assert_eq!(first, with(&format!("{}:0", hash(&a))));
        let second = prolonged(first, &b);
        let lineage = format!("{}:0|{}:0", hash(&a), hash(&b));
        assert_eq!(second, with(&lineage));
        let third = prolonged(with(&lineage.replace('|', "%7C")), &a);
        assert_eq!(third, with(&format!("{}:0|{}:1", hash(&b), hash(&a))));
    }

    #[test]
    fn the_seventeenth_invocation_is_one_too_many() {
        let (a, b) = (function("a"), function("b"));
        let mut header = root();
        for _ in 0..16 {
            header = prolonged(prolonged(header, &a), &b);
            assert!(!is_loop(&header, &a) && !is_loop(&header, &b));
        }
        header = prolonged(header, &a);
        assert!(is_loop(&header, &a) && !is_loop(&header, &b));
    }

    #[test]
    fn what_is_no_lineage_is_left_out_and_what_is_old_forgotten() {
        let a = function("a");
        for wrong in ["1:fe460cdd:0", "x:1", "|", "fe460cdd:-1", "fe460cdd"] {
            let own = with(&format!("{}:0", hash(&a)));
            assert_eq!(prolonged(with(wrong), &a), own, "{wrong}");
        }
        let mut header = root();
        for number in 0..=FUNCTIONS {
            header = prolonged(header, &function(&number.to_string()));
        }
        assert_eq!(functions(&header).len(), FUNCTIONS);
        let first = hash(&function("0"));
        assert!(
            !header
                .lineage
                .is_some_and(|lineage| lineage.contains(&first))
        );
    }
}
