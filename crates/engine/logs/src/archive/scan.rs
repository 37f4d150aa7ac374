//! The search of a group for events that match a pattern.
//!
//! A page looks at a bounded number of events and says where the next one goes on, also when it
//! found nothing: what a rare pattern costs is then spread over pages, and no page holds up a
//! reader of the store for long. AWS pages in the same way.

use std::collections::HashMap;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::{Connection, Rows};

use super::groups::{GroupKey, find_group};
use super::page::{Direction, PAGE_BYTES, Span, event, position, walk};
use super::streams::{stream_id, stream_name};
use super::{ArchiveError, EVENT_OVERHEAD, Position, StoredEvent, horizon};
use crate::filter::FilterPattern;

/// How many events one page looks at.
pub(crate) const SCAN_EVENTS: usize = 10_000;

/// How many bytes of messages one page looks at.
pub(crate) const SCAN_BYTES: usize = 8 << 20;

/// The streams that are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Streams {
    All,
    Named(Vec<String>),
    Prefix(String),
}

/// What is searched for.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) group: GroupKey,
    pub(crate) streams: Streams,
    pub(crate) span: Span,
    pub(crate) pattern: FilterPattern,
    pub(crate) direction: Direction,
    /// Where the page before this one ended.
    pub(crate) from: Option<Position>,
    pub(crate) limit: usize,
}

/// An event that was found, and the name of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) stream: String,
    pub(crate) event: StoredEvent,
}

/// A page of a search.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Found>,
    /// Where the next page goes on; `None` where everything has been looked at.
    pub(crate) next: Option<Position>,
}

/// One page of a search at the time `now`.
pub(crate) fn search(
    connection: &Connection,
    search: &Search,
    now: i64,
) -> Result<Page, ArchiveError> {
    let group = find_group(connection, &search.group)?;
    let span = Span {
        start: search.span.start.max(horizon(group.retention, now)),
        end: search.span.end,
    };
    let from = search.from.unwrap_or_else(|| span.begin(search.direction));
    let (column, keys) = match &search.streams {
        Streams::All | Streams::Prefix(_) => ("log_group", vec![group.id]),
        Streams::Named(names) => {
            let ids = names
                .iter()
                .map(|name| stream_id(connection, group.id, name)?.ok_or(ArchiveError::NoStream));
            let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
            ids.sort_unstable();
            ids.dedup();
            ("stream", ids)
        }
    };
    let sql = walk(column, search.direction);
    let mut statements = keys
        .iter()
        .map(|_| connection.prepare_cached(&sql))
        .collect::<Result<Vec<_>, _>>()?;
    let sources = statements
        .iter_mut()
        .zip(keys)
        .map(|(statement, key)| statement.query((key, from.time, from.id, span.start, span.end)))
        .collect::<Result<Vec<_>, _>>()?;
    let names = Names {
        connection,
        streams: &search.streams,
        known: HashMap::new(),
    };
    collect(Merge::new(sources, search.direction)?, names, search)
}

fn collect(
    mut merge: Merge<'_>,
    mut names: Names<'_>,
    search: &Search,
) -> Result<Page, ArchiveError> {
    let mut page = Page::default();
    let (mut looked_at, mut looked_at_bytes, mut bytes) = (0, 0, 0);
    let mut last = None;
    while let Some((position, source)) = merge.least() {
        let full = page.events.len() == search.limit
            || looked_at == SCAN_EVENTS
            || looked_at_bytes >= SCAN_BYTES;
        if full {
            page.next = last;
            break;
        }
        let row = merge.row(source)?;
        let message = row
            .get_ref(3)?
            .as_str()
            .map_err(|error| ArchiveError::from(rusqlite::Error::from(error)))?;
        looked_at += 1;
        looked_at_bytes += message.len();
        if search.pattern.matches(message)
            && let Some(stream) = names.of(row.get(4)?)?
        {
            bytes += message.len() + EVENT_OVERHEAD;
            if bytes > PAGE_BYTES && !page.events.is_empty() {
                page.next = last;
                break;
            }
            let event = event(row)?;
            page.events.push(Found { stream, event });
        }
        last = Some(position);
        merge.advance(source)?;
    }
    Ok(page)
}

/// The names of streams, read on first need.
struct Names<'c> {
    connection: &'c Connection,
    streams: &'c Streams,
    /// `None` for those that are deleted or not searched.
    known: HashMap<i64, Option<String>>,
}

impl Names<'_> {
    fn of(&mut self, id: i64) -> Result<Option<String>, ArchiveError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let name = stream_name(self.connection, id)?.filter(|name| match self.streams {
            Streams::Prefix(prefix) => name.starts_with(prefix),
            Streams::All | Streams::Named(_) => true,
        });
        self.known.insert(id, name.clone());
        Ok(name)
    }
}

/// Several walks as one, in the order of positions.
struct Merge<'s> {
    sources: Vec<(Rows<'s>, Option<Position>)>,
    direction: Direction,
}

impl<'s> Merge<'s> {
    fn new(sources: Vec<Rows<'s>>, direction: Direction) -> Result<Self, ArchiveError> {
        let sources = sources.into_iter().map(|rows| (rows, None)).collect();
        let mut merge = Self { sources, direction };
        for source in 0..merge.sources.len() {
            merge.advance(source)?;
        }
        Ok(merge)
    }

    /// The position that comes next, and the source that has it.
    fn least(&self) -> Option<(Position, usize)> {
        let heads = self.sources.iter().enumerate();
        let heads = heads.filter_map(|(source, (_, head))| Some(((*head)?, source)));
        heads.min_by(|(a, _), (b, _)| match self.direction {
            Direction::Forward => a.cmp(b),
            Direction::Backward => b.cmp(a),
        })
    }

    fn row(&self, source: usize) -> Result<&rusqlite::Row<'s>, ArchiveError> {
        let row = self.sources[source].0.get();
        Ok(row.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
    }

    fn advance(&mut self, source: usize) -> Result<(), ArchiveError> {
        let (rows, head) = &mut self.sources[source];
        *head = rows.next()?.map(position).transpose()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::set_retention;
    use super::super::streams::delete_stream;
    use super::super::testing::{NOW, group, key, put, store};
    use super::*;

    fn wanted(streams: Streams, pattern: &str, direction: Direction) -> Search {
        Search {
            group: key("g"),
            streams,
            span: Span {
                start: 0,
                end: i64::MAX,
            },
            pattern: FilterPattern::parse(pattern).unwrap(),
            direction,
            from: None,
            limit: 10_000,
        }
    }

    /// Every page of a search: how many there were, and the messages.
    fn pages(store: &store::Store, mut wanted: Search) -> (usize, Vec<String>) {
        store
            .read_blocking(move |c| {
                let (mut pages, mut messages) = (0, Vec::new());
                loop {
                    let page = search(c, &wanted, NOW)?;
                    pages += 1;
                    assert!(page.events.len() <= wanted.limit);
                    messages.extend(page.events.into_iter().map(|found| found.event.message));
                    wanted.from = page.next;
                    if page.next.is_none() {
                        return Ok::<_, ArchiveError>((pages, messages));
                    }
                }
            })
            .unwrap()
    }

    #[test]
    fn streams_are_interleaved_by_time() {
        let (_folder, store) = store();
        group(&store, "g", &["a1", "a2", "b"]);
        put(
            &store,
            "g",
            "a1",
            &[(NOW - 9, "1"), (NOW - 7, "3"), (NOW - 7, "4")],
        );
        put(&store, "g", "b", &[(NOW - 8, "2"), (NOW - 5, "6")]);
        put(&store, "g", "a2", &[(NOW - 7, "5"), (NOW - 4, "7")]);
        let named =
            |names: &[&str]| Streams::Named(names.iter().map(|n| (*n).to_owned()).collect());
        for (streams, expected) in [
            (Streams::All, "1234567"),
            (Streams::Prefix("a".into()), "13457"),
            (named(&["b"]), "26"),
            (named(&["b", "a2", "b"]), "2567"),
        ] {
            for limit in [1, 2, 100] {
                let search = |direction| Search {
                    limit,
                    ..wanted(streams.clone(), "", direction)
                };
                let (count, forward) = pages(&store, search(Direction::Forward));
                assert_eq!(forward.concat(), expected);
                assert_eq!(count, expected.len().div_ceil(limit), "no page is empty");
                let (_, mut backward) = pages(&store, search(Direction::Backward));
                backward.reverse();
                assert_eq!(backward.concat(), expected);
            }
        }
    }

    #[test]
    fn a_stream_must_exist() {
        let (_folder, store) = store();
        group(&store, "g", &["a"]);
        let search_it = |streams| {
            let wanted = wanted(streams, "", Direction::Forward);
            store.read_blocking(move |c| search(c, &wanted, NOW))
        };
        let missing = search_it(Streams::Named(vec!["a".into(), "x".into()]));
        assert!(matches!(missing, Err(ArchiveError::NoStream)));
        assert!(
            search_it(Streams::Prefix("x".into()))
                .unwrap()
                .events
                .is_empty()
        );
    }

    #[test]
    fn a_rare_pattern_is_spread_over_pages() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        let mut events = vec![(NOW, "common"); SCAN_EVENTS * 2];
        events.push((NOW, "rare"));
        put(&store, "g", "s", &events);
        let found = pages(&store, wanted(Streams::All, "rare", Direction::Forward));
        assert_eq!(found, (3, vec!["rare".to_owned()]));
    }

    #[test]
    fn a_page_holds_what_fits() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        let long = "x".repeat(PAGE_BYTES / 2);
        put(&store, "g", "s", &[(NOW, long.as_str()); 3]);
        let (count, messages) = pages(&store, wanted(Streams::All, "", Direction::Forward));
        assert_eq!((count, messages.len()), (3, 3));
    }

    #[test]
    fn what_has_expired_or_is_deleted_is_not_shown() {
        let (_folder, store) = store();
        group(&store, "g", &["s", "t"]);
        put(
            &store,
            "g",
            "s",
            &[(NOW - 2 * 86_400_000, "old"), (NOW - 5, "new")],
        );
        put(&store, "g", "t", &[(NOW - 3, "other")]);
        store
            .write_blocking(|c| {
                set_retention(c, &key("g"), Some(1))?;
                delete_stream(c, &key("g"), "t")
            })
            .unwrap();
        let (_, messages) = pages(&store, wanted(Streams::All, "", Direction::Forward));
        assert_eq!(messages, ["new"]);
    }
}
