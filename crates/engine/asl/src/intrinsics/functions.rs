//! What each function does.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ids::Entropy;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::random::between;
use super::{Function, Problem, Seeded, arrays, text};
use crate::scope::Scope;
use crate::value::{List, Map, Number, Value};

/// The longest text that is encoded, decoded or hashed, in characters.
const MAX_TEXT: usize = 10_000;

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn apply(
    function: Function,
    arguments: &[Value],
    scope: &Scope<'_>,
) -> Result<Value, Problem> {
    let arguments = Arguments(arguments);
    match function {
        Function::Array => Ok(arguments.0.iter().cloned().collect()),
        Function::ArrayContains => {
            let wanted = arguments.value(1);
            Ok(arguments.list(0)?.contains(&wanted).into())
        }
        Function::ArrayGetItem => {
            let items = arguments.list(0)?;
            let index = arguments.whole(1)?;
            usize::try_from(index)
                .ok()
                .and_then(|index| items.get(index))
                .cloned()
                .ok_or_else(|| {
                    Problem::Arguments(format!(
                        "The index {index} is out of bounds for an array of length {}",
                        items.len()
                    ))
                })
        }
        Function::ArrayLength => Ok(arguments.list(0)?.len().into()),
        Function::ArrayPartition => arrays::partition(arguments.list(0)?, arguments.rounded(1)?)
            .ok_or_else(|| Problem::Arguments("The chunk size must be positive".to_owned())),
        Function::ArrayRange => {
            let (first, last) = (arguments.rounded(0)?, arguments.rounded(1)?);
            arrays::range(first, last, arguments.rounded(2)?)
                .map(Value::from)
                .map_err(|problem| Problem::Arguments(format!("In a range, {problem}")))
        }
        Function::ArrayUnique => Ok(arrays::unique(arguments.list(0)?)),
        Function::Base64Encode => Ok(BASE64.encode(arguments.bounded(0)?).into()),
        Function::Base64Decode => {
            let bytes = BASE64.decode(arguments.bounded(0)?).map_err(|error| {
                Problem::Arguments(format!("The value is not encoded in Base64: {error}"))
            })?;
            Ok(String::from_utf8_lossy(&bytes).into_owned().into())
        }
        Function::Format => {
            let template = arguments.text(0)?;
            text::fill(&text::pieces(template), &arguments.0[1..])
        }
        Function::Hash => {
            let data = match arguments.value(0) {
                Value::String(text) => text.as_ref().to_owned(),
                other => other.to_json(),
            };
            check_length(&data)?;
            let name = arguments.text(1)?;
            let algorithm = Algorithm::named(name).ok_or_else(|| {
                Problem::Arguments(format!(
                    "'{name}' is none of MD5, SHA-1, SHA-256, SHA-384 and SHA-512"
                ))
            })?;
            Ok(algorithm.hash(&data).into())
        }
        Function::JsonMerge => {
            let (below, above) = (arguments.map(0)?, arguments.map(1)?);
            match arguments.value(2) {
                Value::Bool(false) => {}
                Value::Bool(true) => {
                    return Err(Problem::Arguments(
                        "Only a shallow merge is supported: the third argument must be false"
                            .to_owned(),
                    ));
                }
                other => return Err(arguments.wrong(2, "a boolean", &other)),
            }
            let mut merged = below.clone();
            for (key, value) in above {
                merged.insert(key.clone(), value.clone());
            }
            Ok(merged.into())
        }
        Function::JsonToString => Ok(arguments.value(0).to_json().into()),
        Function::MathAdd => {
            let sum = arguments.rounded(0)? + arguments.rounded(1)?;
            match i32::try_from(sum) {
                Ok(sum) => Ok(sum.into()),
                Err(_) => Err(Problem::Arguments(format!(
                    "The sum {sum} is no whole number of 32 bits"
                ))),
            }
        }
        Function::MathRandom => {
            let (start, end) = (arguments.rounded(0)?, arguments.rounded(1)?);
            if start >= end {
                return Err(Problem::Arguments(format!(
                    "The start {start} must be less than the end {end}"
                )));
            }
            let unit = match arguments.0.get(2) {
                Some(_) => Seeded::new(arguments.rounded(2)?).unit(),
                None => scope.random.unit(),
            };
            Ok(between(start, end, unit).into())
        }
        Function::StringSplit => {
            let (whole, delimiters) = (arguments.text(0)?, arguments.text(1)?);
            let parts = whole.split(|c| delimiters.contains(c));
            Ok(parts
                .filter(|part| !part.is_empty())
                .map(Value::from)
                .collect())
        }
        Function::StringToJson => {
            let text = arguments.text(0)?;
            if text.trim().is_empty() {
                return Ok(Value::Null);
            }
            Value::parse(text)
                .map_err(|error| Problem::Arguments(format!("The value is no JSON: {error}")))
        }
        Function::Uuid => Ok(uuid(scope.random).into()),
    }
}

/// A version 4 UUID.
pub(crate) fn uuid(random: &dyn Entropy) -> String {
    let bytes = random.bits().to_be_bytes();
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// The algorithms that `States.Hash` and `$hash` know.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "MD5" => Self::Md5,
            "SHA-1" => Self::Sha1,
            "SHA-256" => Self::Sha256,
            "SHA-384" => Self::Sha384,
            "SHA-512" => Self::Sha512,
            _ => return None,
        })
    }

    /// In hexadecimal, small letters.
    pub(crate) fn hash(self, text: &str) -> String {
        fn hex(digest: &[u8]) -> String {
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha1 => hex(&Sha1::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha384 => hex(&Sha384::digest(text)),
            Self::Sha512 => hex(&Sha512::digest(text)),
        }
    }
}

fn check_length(text: &str) -> Result<(), Problem> {
    // Characters are no more than bytes.
    if text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT {
        return Err(Problem::Arguments(format!(
            "The value has more than {MAX_TEXT} characters"
        )));
    }
    Ok(())
}

/// Arguments, each of a type. That there are enough was seen to when the call was parsed.
struct Arguments<'a>(&'a [Value]);

impl<'a> Arguments<'a> {
    fn value(&self, index: usize) -> Value {
        self.0.get(index).cloned().unwrap_or_default()
    }

    fn wrong(&self, index: usize, expected: &'static str, found: &Value) -> Problem {
        Problem::Type {
            position: index + 1,
            expected,
            found: found.kind(),
        }
    }

    fn get<T>(
        &self,
        index: usize,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, Problem> {
        const NOTHING: &Value = &Value::Null;
        let value = self.0.get(index).unwrap_or(NOTHING);
        read(value).ok_or_else(|| self.wrong(index, expected, value))
    }

    fn list(&self, index: usize) -> Result<&'a List, Problem> {
        self.get(index, "an array", Value::as_array)
    }

    fn map(&self, index: usize) -> Result<&'a Map, Problem> {
        self.get(index, "an object", Value::as_object)
    }

    fn text(&self, index: usize) -> Result<&'a str, Problem> {
        self.get(index, "a string", Value::as_str)
    }

    /// A text that is not too long.
    fn bounded(&self, index: usize) -> Result<&'a str, Problem> {
        let text = self.text(index)?;
        check_length(text)?;
        Ok(text)
    }

    fn whole(&self, index: usize) -> Result<i64, Problem> {
        self.get(index, "a whole number", Value::as_i64)
    }

    /// A number of 32 bits, rounded where it is not whole.
    fn rounded(&self, index: usize) -> Result<i64, Problem> {
        let number = self.get(index, "a number", Value::as_number)?;
        round(number)
            .filter(|whole| i32::try_from(*whole).is_ok())
            .ok_or_else(|| {
                Problem::Arguments(format!("The number {number} does not fit into 32 bits"))
            })
    }
}

/// To the nearest whole number, halves upwards.
fn round(number: &Number) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let rounded = (number.as_f64() + 0.5).floor();
    #[expect(clippy::cast_possible_truncation, reason = "guarded by the bound")]
    (rounded.abs() < 9e15).then_some(rounded as i64)
}
