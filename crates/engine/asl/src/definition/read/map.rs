//! The fields of Map states.

use std::sync::Arc;

use super::super::document::Node;
use super::super::graph::Edges;
use super::super::resource::Resource;
use super::super::{
    Dynamic, FlowId, ItemBatcher, ItemReader, MachineType, Map, MapMode, ReaderConfig,
    ResultWriter, names,
};
use super::common::Object;
use super::{InFlow, Place, Reader, Surroundings};
use crate::diagnostic::Code;

impl Reader<'_> {
    pub(super) fn map(
        &mut self,
        object: Object<'_, '_>,
        in_flow: &InFlow<'_>,
        edges: &mut Edges,
    ) -> Option<Map> {
        let processor = self.processor(object, in_flow);
        let label = self.label(object);
        let items_path = self.selector(object, "ItemsPath");
        let items = self.template(object, "Items");
        // The `Parameters` of old are read with the data flow, and used where there is no selector.
        let item_selector = self.template(object, "ItemSelector");
        let max_concurrency = self.dynamic_integer(object, "MaxConcurrency", 0);
        let tolerated_percentage = self.dynamic(
            object,
            "ToleratedFailurePercentage",
            |reader, place, node| reader.float(place, node, 0.0, 100.0),
        );
        let tolerated_count = self.dynamic_integer(object, "ToleratedFailureCount", 0);
        let reader = self.item_reader(object);
        let batcher = self.item_batcher(object);
        let writer = self.result_writer(object);
        let retry = self.retry(object);
        let catch = self.catch(object, in_flow, edges);
        let (processor, distributed) = processor?;
        let mode = match distributed {
            Some(execution_type) => MapMode::Distributed {
                execution_type,
                label,
            },
            None => MapMode::Inline,
        };
        Some(Map {
            processor,
            mode,
            items_path,
            items,
            item_selector,
            max_concurrency,
            tolerated_percentage,
            tolerated_count,
            reader,
            batcher,
            writer,
            retry: retry?,
            catch: catch?,
        })
    }

    /// `ItemProcessor`, or the `Iterator` of old; with the type of its executions where it is
    /// distributed.
    fn processor(
        &mut self,
        object: Object<'_, '_>,
        in_flow: &InFlow<'_>,
    ) -> Option<(FlowId, Option<MachineType>)> {
        let field = if object.node.get("ItemProcessor").is_some() {
            "ItemProcessor"
        } else {
            "Iterator"
        };
        let node = object.node.get(field)?;
        let place = object.place.field(field);
        self.object(&place, node)?;
        self.required(&place, node, &["States", "StartAt"]);
        self.known(
            Object {
                node,
                place: &place,
                ..object
            },
            &["StartAt", "States", "ProcessorConfig"],
        );
        let mut distributed = None;
        if let Some(config) = node.get("ProcessorConfig") {
            let place = place.field("ProcessorConfig");
            self.object(&place, config)?;
            self.known(
                Object {
                    node: config,
                    place: &place,
                    ..object
                },
                &["Mode", "ExecutionType"],
            );
            let mode = config.get("Mode").and_then(|it| {
                self.one_of(&place.field("Mode"), it, "Mode", &["INLINE", "DISTRIBUTED"])
            });
            let types = ["STANDARD", "EXPRESS"];
            let execution_type = config.get("ExecutionType").and_then(|it| {
                self.one_of(&place.field("ExecutionType"), it, "ExecutionType", &types)
            });
            if mode == Some("DISTRIBUTED") {
                distributed = Some(match execution_type {
                    Some("EXPRESS") => MachineType::Express,
                    _ => MachineType::Standard,
                });
            }
        }
        let express = match distributed {
            Some(execution_type) => execution_type == MachineType::Express,
            None => in_flow.surroundings.express,
        };
        let surroundings = Surroundings {
            express,
            depth: in_flow.surroundings.depth + 1,
            ..in_flow.surroundings
        };
        let flow = self.flow(&place, node, Some(in_flow.id), surroundings)?;
        Some((flow, distributed))
    }

    fn label(&mut self, object: Object<'_, '_>) -> Option<Arc<str>> {
        let node = object.node.get("Label")?;
        let place = object.place.field("Label");
        let label = self.text(&place, node)?;
        if let Some(message) = names::label(&label) {
            self.problem(Code::InvalidLabelName, &place, &node.span, message);
        }
        if !self.labels.insert(label.to_string()) {
            self.problem(
                Code::DuplicateLabelName,
                &place,
                &node.span,
                format!("Duplicate Label name: {label}"),
            );
        }
        Some(label)
    }

    fn map_resource(&mut self, object: Object<'_, '_>, actions: &[&str]) -> Option<Resource> {
        let node = object.node.get("Resource")?;
        let place = object.place.field("Resource");
        let text = self.text(&place, node)?;
        let resource = Resource::of_map(&text, actions);
        resource
            .map_err(|error| self.schema(&place, &node.span, error.to_string()))
            .ok()
    }

    fn item_reader(&mut self, object: Object<'_, '_>) -> Option<ItemReader> {
        let node = object.node.get("ItemReader")?;
        let place = object.place.field("ItemReader");
        self.object(&place, node)?;
        let reader = Object {
            node,
            place: &place,
            ..object
        };
        let arguments = arguments_field(reader);
        self.known(reader, &["Resource", "ReaderConfig", arguments]);
        self.required(&place, node, &["Resource"]);
        let resource = self.map_resource(reader, &["getObject", "listObjectsV2"]);
        let parameters = self.template(reader, arguments);
        let config_place = place.field("ReaderConfig");
        let config = match node.get("ReaderConfig") {
            Some(config) => self.reader_config(Object {
                node: config,
                place: &config_place,
                ..object
            }),
            None => ReaderConfig::default(),
        };
        Some(ItemReader {
            resource: resource?,
            parameters,
            config,
        })
    }

    fn reader_config(&mut self, object: Object<'_, '_>) -> ReaderConfig {
        let Object { node, place, .. } = object;
        if self.object(place, node).is_none() {
            return ReaderConfig::default();
        }
        let fields = [
            "InputType",
            "Transformation",
            "ManifestType",
            "CSVDelimiter",
            "CSVHeaderLocation",
            "CSVHeaders",
            "MaxItems",
            "MaxItemsPath",
            "ItemsPointer",
        ];
        self.known(object, &fields);
        self.exclusive(place, node, &["MaxItems", "MaxItemsPath"]);
        let word = |reader: &mut Self, field: &str, values: &[&'static str]| -> Option<Arc<str>> {
            node.get(field)
                .and_then(|it| reader.one_of(&place.field(field), it, field, values))
                .map(Arc::from)
        };
        let csv_header_location = word(self, "CSVHeaderLocation", &["FIRST_ROW", "GIVEN"]);
        let headers = node.get("CSVHeaders");
        if csv_header_location.as_deref() == Some("GIVEN") && headers.is_none() {
            self.required(place, node, &["CSVHeaders"]);
        }
        ReaderConfig {
            input_type: word(
                self,
                "InputType",
                &["CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"],
            ),
            csv_headers: headers
                .map(|it| self.texts(&place.field("CSVHeaders"), it))
                .unwrap_or_default(),
            csv_header_location,
            csv_delimiter: word(
                self,
                "CSVDelimiter",
                &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"],
            ),
            max_items: self.dynamic_integer(object, "MaxItems", 0),
            items_pointer: self.items_pointer(place, node),
            transformation: word(self, "Transformation", &["NONE", "LOAD_AND_FLATTEN"]),
            manifest_type: word(self, "ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]),
        }
    }

    /// `ItemsPointer`: a JSON pointer, which begins with a slash.
    fn items_pointer(&mut self, place: &Place<'_>, node: &Node<'_>) -> Option<Arc<str>> {
        let field = node.get("ItemsPointer")?;
        let place = place.field("ItemsPointer");
        let pointer = self.text(&place, field)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            self.schema(&place, &field.span, "Value must be a valid JSON Pointer");
        }
        Some(pointer)
    }

    fn item_batcher(&mut self, object: Object<'_, '_>) -> Option<ItemBatcher> {
        let node = object.node.get("ItemBatcher")?;
        let place = object.place.field("ItemBatcher");
        self.object(&place, node)?;
        let batcher = Object {
            node,
            place: &place,
            ..object
        };
        let pairs = [
            ["MaxItemsPerBatch", "MaxItemsPerBatchPath"],
            ["MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"],
        ];
        self.known(
            batcher,
            &[
                pairs[0][0],
                pairs[0][1],
                pairs[1][0],
                pairs[1][1],
                "BatchInput",
            ],
        );
        for pair in &pairs {
            self.exclusive(&place, node, pair);
        }
        let max_items = self.dynamic_integer(batcher, "MaxItemsPerBatch", 1);
        let max_input_bytes: Option<Dynamic<u64>> =
            self.dynamic(batcher, "MaxInputBytesPerBatch", |reader, place, node| {
                reader.integer(place, node, 1, 262_144)
            });
        if max_items.is_none()
            && max_input_bytes.is_none()
            && pairs.iter().flatten().all(|it| node.get(it).is_none())
        {
            let message =
                "One of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]";
            self.schema(&place, &node.span, message);
        }
        Some(ItemBatcher {
            batch_input: self.template(batcher, "BatchInput"),
            max_items,
            max_input_bytes,
        })
    }

    fn result_writer(&mut self, object: Object<'_, '_>) -> Option<ResultWriter> {
        let node = object.node.get("ResultWriter")?;
        let place = object.place.field("ResultWriter");
        self.object(&place, node)?;
        let writer = Object {
            node,
            place: &place,
            ..object
        };
        let arguments = arguments_field(writer);
        self.known(writer, &["Resource", "WriterConfig", arguments]);
        let resource = self.map_resource(writer, &["putObject"]);
        let parameters = self.template(writer, arguments);
        let mut form = (None, None);
        if let Some(config) = node.get("WriterConfig") {
            let place = place.field("WriterConfig");
            self.object(&place, config)?;
            self.known(
                Object {
                    node: config,
                    place: &place,
                    ..object
                },
                &["Transformation", "OutputType"],
            );
            let mut word = |field: &str, values: &[&'static str]| -> Option<Arc<str>> {
                config
                    .get(field)
                    .and_then(|it| self.one_of(&place.field(field), it, field, values))
                    .map(Arc::from)
            };
            form = (
                word("Transformation", &["NONE", "COMPACT", "FLATTEN"]),
                word("OutputType", &["JSON", "JSONL"]),
            );
        } else {
            self.required(&place, node, &["Resource"]);
        }
        Some(ResultWriter {
            resource,
            parameters,
            transformation: form.0,
            output_type: form.1,
        })
    }
}

/// What the arguments of a reader or writer are called.
fn arguments_field(object: Object<'_, '_>) -> &'static str {
    match object.language {
        super::super::QueryLanguage::JsonPath => "Parameters",
        super::super::QueryLanguage::Jsonata => "Arguments",
    }
}
