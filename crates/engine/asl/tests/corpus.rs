//! Every path, call and expression of the corpus and of the recorded machines is understood.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says why it is skipped"
)]

mod support;

use asl::Value;
use asl::jsonata::Expression;
use asl::jsonpath::Path;
use asl::payload::Source;

/// What is not understood, and why that is right.
const REFUSED: &[(&str, &str)] = &[
    // It reads `$$`, which Step Functions does not have, and starts at a state that is not there.
    (
        "base_map_state_machine_choice_fail.json5",
        "{% $$.Map.Item.Index",
    ),
    // AWS refuses these machines; the recordings say so.
    (
        "escape_sequences_illegal_intrinsic_function.json5",
        "States.StringToJson",
    ),
    (
        "escape_sequences_illegal_intrinsic_function_2.json5",
        "States.Format",
    ),
];

/// Fields whose contents mean nothing, whatever they look like.
const CONSTANT: &[&str] = &["Result", "Comment"];

#[derive(Default)]
struct Seen {
    paths: usize,
    sources: usize,
    expressions: usize,
    refused: Vec<(String, String, String)>,
}

impl Seen {
    fn note(&mut self, file: &str, text: &str, problem: Option<String>) {
        let known = |(name, start): &&(&str, &str)| *name == file && text.starts_with(start);
        if let Some(problem) = problem
            && !REFUSED.iter().any(|refused| known(&refused))
        {
            self.refused
                .push((file.to_owned(), text.to_owned(), problem));
        }
    }

    /// `jsonata` says in which language the surroundings are.
    fn value(&mut self, file: &str, key: &str, value: &Value, jsonata: bool) {
        match value {
            Value::Object(map) => {
                let jsonata = match map.get("QueryLanguage").and_then(Value::as_str) {
                    Some(language) => language == "JSONata",
                    None => jsonata,
                };
                for (key, value) in map.as_ref() {
                    if !CONSTANT.contains(&key.as_ref()) {
                        self.value(file, key, value, jsonata);
                    }
                }
            }
            Value::Array(items) => {
                for item in items.as_ref() {
                    self.value(file, "", item, jsonata);
                }
            }
            // What the recording's own script fills in.
            Value::String(text) if text.starts_with("%") || text.contains("PLACEHOLDER") => {}
            Value::String(text) if jsonata => {
                let inside = text
                    .strip_prefix("{%")
                    .and_then(|text| text.strip_suffix("%}"));
                if let Some(expression) = inside {
                    self.expressions += 1;
                    let problem = Expression::parse(expression).err();
                    self.note(file, text, problem.map(|problem| problem.to_string()));
                }
            }
            Value::String(text) if key.ends_with(".$") => {
                self.sources += 1;
                let problem = Source::parse(text).err();
                self.note(file, text, problem.map(|problem| problem.to_string()));
            }
            Value::String(text) if key.ends_with("Path") && text.starts_with('$') => {
                self.paths += 1;
                let problem = Path::parse(text).err();
                self.note(file, text, problem.map(|problem| problem.to_string()));
            }
            _ => {}
        }
    }

    fn folder(&mut self, folder: &std::path::Path, endings: &[&str]) {
        for path in support::files(folder, endings) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            // The corpus has what is wrong, too.
            if file.starts_with("invalid-") {
                continue;
            }
            let value = support::read(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
            self.value(&file, "", &value, false);
        }
    }
}

#[test]
fn what_machines_are_made_of_is_understood() {
    let corpus = support::shared("asl-corpus");
    let templates = support::shared("aws-recordings/stepfunctions/templates");
    let mut seen = Seen::default();
    if let Some(corpus) = &corpus {
        seen.folder(corpus, &[".json"]);
    }
    if let Some(templates) = &templates {
        seen.folder(templates, &[".json5", ".json"]);
    }
    println!(
        "{} paths, {} fields with .$ and {} expressions",
        seen.paths, seen.sources, seen.expressions
    );
    assert!(seen.refused.is_empty(), "{:#?}", seen.refused);
    if corpus.is_some() && templates.is_some() {
        assert!(seen.paths > 100 && seen.sources > 100 && seen.expressions > 100);
    }
}
