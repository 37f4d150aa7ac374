//! How often a chain of requests has come by a function: the member `Lineage` of the trace header.
//!
//! Lambda writes it, the SDKs inside functions send it on with what they call, and so it is known at
//! each invocation which functions were there before. A function that is invoked for the seventeenth
//! time in one chain is part of a loop, and is not, unless it says that it may be.
//!
//! What stops, and when: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>. The
//! form: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>,
//! one `HASH:LOOPS` for each function, where LOOPS is 0 at its first invocation. What is hashed is for
//! Lambda alone to know; here it is what a function's ARN is made of. Each invocation passes here twice,
//! mostly without a chain behind it, so that much of it goes without allocation.

use trace::Header;

use crate::function::key::FunctionKey;

/// How many invocations of a function one chain of requests may have.
const LONGEST_CHAIN: u32 = 16;

/// How many functions a header tells of, the latest ones. A loop of more is not noticed.
const FUNCTIONS: usize = 64;

/// What a header tells of one function.
struct Entry<'a> {
    /// As it is written.
    text: &'a str,
    hash: u32,
    loops: u32,
}

/// The header that an invocation of `function` gets, made of the one that came with its request.
pub(crate) fn prolonged(header: Header, function: &FunctionKey) -> Header {
    let own = hash(function);
    let lineage = match header.lineage.as_deref() {
        None => format!("{own:08x}:0"),
        Some(before) => followed(before, own),
    };
    Header {
        lineage: Some(lineage),
        ..header
    }
}

/// What was told before, with one more invocation of `own` behind it.
fn followed(before: &str, own: u32) -> String {
    let mut functions: Vec<Entry<'_>> = functions(before).collect();
    let known = functions.iter().position(|function| function.hash == own);
    let loops = known.map_or(0, |at| functions.remove(at).loops.saturating_add(1));
    let forgotten = (functions.len() + 1).saturating_sub(FUNCTIONS);
    let others: String = functions
        .iter()
        .skip(forgotten)
        .flat_map(|function| [function.text, "|"])
        .collect();
    format!("{others}{own:08x}:{loops}")
}

/// Whether the invocation of `function` that has this header is one too many.
pub(crate) fn is_loop(header: &Header, function: &FunctionKey) -> bool {
    functions(header.lineage.as_deref().unwrap_or_default())
        .any(|told| told.loops >= LONGEST_CHAIN && told.hash == hash(function))
}

/// Whom the header tells of, the latest last. Some SDKs write `|` as `%7C`.
fn functions(lineage: &str) -> impl Iterator<Item = Entry<'_>> {
    let entries = lineage.split('|').flat_map(|part| part.split("%7C"));
    entries.filter_map(|text| {
        let (hash, loops) = text.split_once(':')?;
        let is_hash = hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hash = is_hash.then(|| u32::from_str_radix(hash, 16));
        Some(Entry {
            text,
            hash: hash?.ok()?,
            loops: loops.parse().ok()?,
        })
    })
}

/// The length of a hash.
const HASH: usize = 8;

/// The same for a function at all times and in all engines, for headers outlive an engine in its queues:
/// FNV-1a, folded to 32 bits. It tells functions apart, and protects nothing.
fn hash(function: &FunctionKey) -> u32 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let FunctionKey {
        account,
        region,
        name,
    } = function;
    let bytes = [&**account, ":", &**region, ":", &**name]
        .into_iter()
        .flat_map(str::bytes);
    let whole = bytes.fold(BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    let [a, b, c, d, e, f, g, h] = whole.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) ^ u32::from_be_bytes([e, f, g, h])
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
        assert_eq!(first, with(&format!("{:08x}:0", hash(&a))));
        let second = prolonged(first, &b);
        let lineage = format!("{:08x}:0|{:08x}:0", hash(&a), hash(&b));
        assert_eq!(second, with(&lineage));
        let third = prolonged(with(&lineage.replace('|', "%7C")), &a);
        assert_eq!(
            third,
            with(&format!("{:08x}:0|{:08x}:1", hash(&b), hash(&a)))
        );
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
            let own = with(&format!("{:08x}:0", hash(&a)));
            assert_eq!(prolonged(with(wrong), &a), own, "{wrong}");
        }
        let mut header = root();
        for number in 0..=FUNCTIONS {
            header = prolonged(header, &function(&number.to_string()));
        }
        let lineage = header.lineage.unwrap();
        assert_eq!(functions(&lineage).count(), FUNCTIONS);
        let first = format!("{:08x}", hash(&function("0")));
        assert!(!lineage.contains(&first));
    }

    #[test]
    fn functions_of_all_accounts_and_regions_are_told_apart() {
        let a = function("a");
        let elsewhere = FunctionKey {
            region: "us-east-2".into(),
            ..a.clone()
        };
        let anothers = FunctionKey {
            account: "000000000001".into(),
            ..a.clone()
        };
        assert_eq!(hash(&a), hash(&function("a")));
        assert_eq!(format!("{:08x}", hash(&a)), "57efd93d");
        assert_ne!(hash(&a), hash(&elsewhere));
        assert_ne!(hash(&a), hash(&anothers));
    }
}
