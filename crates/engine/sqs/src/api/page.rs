//! Lists in pages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::ServiceError;

use crate::error::{invalid, out_of_range};

/// How many a page has at most, and where nobody says how many.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>.
const MOST: usize = 1_000;

/// A page of a list whose entries are in the order of their names.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) limit: usize,
    /// The last name of the page before.
    pub(super) after: Option<String>,
    /// Whether there is to be a token where the list goes on: only who asks for a size gets one.
    paged: bool,
}

impl Page {
    pub(super) fn read(size: Option<i32>, token: Option<String>) -> Result<Self, ServiceError> {
        let limit = match size {
            None => MOST,
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|size| (1..=MOST).contains(size))
                .ok_or_else(|| {
                    out_of_range(size, "MaxResults", "MaxResults must be between 1 and 1000.")
                })?,
        };
        let after = token.map(|token| {
            let bytes = STANDARD.decode(token).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or_else(|| invalid("Invalid or expired next token."))
        });
        Ok(Self {
            limit,
            after: after.transpose()?,
            paged: size.is_some(),
        })
    }

    /// The page of what was found, one more than a page has at most, and the token for the next.
    pub(super) fn cut<T>(
        &self,
        mut found: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        if found.len() <= self.limit {
            return (found, None);
        }
        found.truncate(self.limit);
        let token = found.last().map(|last| STANDARD.encode(name(last)));
        (found, token.filter(|_| self.paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_where_it_stopped() {
        let first = Page::read(Some(2), None).unwrap();
        let (found, token) = first.cut(vec!["a", "b", "c"], |name| (*name).to_owned());
        assert_eq!(found, ["a", "b"]);
        let second = Page::read(Some(2), token).unwrap();
        assert_eq!(second.after.as_deref(), Some("b"));
        let (found, token) = second.cut(vec!["c"], |name| (*name).to_owned());
        assert_eq!((found, token), (vec!["c"], None));
        assert!(Page::read(Some(0), None).is_err());
        assert!(Page::read(None, Some("?".to_owned())).is_err());
    }
}
