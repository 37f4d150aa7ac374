//! Lists in pages.
//!
//! A marker is the key of the first item that has not been shown, in Base64: it stays valid when
//! items come and go meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{ApiError, validation};

/// How many items there are on a page where nobody says.
const DEFAULT: usize = 100;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    from: String,
    limit: usize,
}

/// What is answered: the items, and the marker of those that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paged<T> {
    pub(crate) items: Vec<T>,
    pub(crate) marker: Option<String>,
}

impl Page {
    /// From `Marker` and `MaxItems`.
    pub(crate) fn asked(marker: Option<&str>, max_items: Option<i32>) -> Result<Self, ApiError> {
        let from = match marker {
            None => String::new(),
            Some(marker) => URL_SAFE_NO_PAD
                .decode(marker)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| validation(format!("Invalid Marker: {marker}")))?,
        };
        let limit = max_items
            .and_then(|items| usize::try_from(items).ok())
            .filter(|items| *items > 0);
        Ok(Self {
            from,
            limit: limit.unwrap_or(DEFAULT),
        })
    }

    /// The least key that belongs on the page.
    pub(crate) fn from(&self) -> &str {
        &self.from
    }

    /// How many items to look for: one more than are shown, to know whether there is one.
    pub(crate) const fn wanted(&self) -> usize {
        self.limit + 1
    }

    /// Cuts what was found for [`Page::wanted`].
    pub(crate) fn cut<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Paged<T> {
        let marker = items
            .get(self.limit)
            .map(|next| URL_SAFE_NO_PAD.encode(key(next)));
        items.truncate(self.limit);
        Paged { items, marker }
    }

    /// The page of a whole list, sorted by `key`.
    pub(crate) fn of<T>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> Paged<T> {
        let rest = items
            .into_iter()
            .filter(|item| key(item).as_str() >= self.from())
            .take(self.wanted())
            .collect();
        self.cut(rest, key)
    }
}

impl<T> Paged<T> {
    /// `IsTruncated`.
    pub(crate) const fn truncated(&self) -> bool {
        self.marker.is_some()
    }

    /// The same of what `f` makes of each item.
    pub(crate) fn map<U>(self, f: impl FnMut(T) -> U) -> Paged<U> {
        Paged {
            items: self.items.into_iter().map(f).collect(),
            marker: self.marker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_put_together_are_the_whole(
            mut items in prop::collection::btree_set("[a-z/é]{1,4}", 0..20),
            size in 1..5,
        ) {
            let all: Vec<String> = std::mem::take(&mut items).into_iter().collect();
            let mut gathered = Vec::new();
            let mut marker = None;
            loop {
                let page = Page::asked(marker.as_deref(), Some(size)).unwrap();
                let paged = page.of(all.clone(), Clone::clone);
                prop_assert!(paged.items.len() <= usize::try_from(size).unwrap());
                gathered.extend(paged.items);
                marker = paged.marker;
                if marker.is_none() {
                    break;
                }
            }
            prop_assert_eq!(gathered, all);
        }
    }

    #[test]
    fn a_made_up_marker_is_refused() {
        assert!(Page::asked(Some("***"), None).is_err());
    }
}
