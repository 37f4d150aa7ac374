//! The ways of a state's data in a test, noted as they are gone.

use super::super::evaluate::{Evaluator, Trouble};
use super::super::{distributed, items, map_run};
use super::{Mock, Test, Worked, target};
use crate::definition::{DataFlow, Kind, Map, State};
use crate::history::Failure;
use crate::value::Value;

/// What a state's data became on the way. What did not happen is not there.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is the field of the API's InspectionData of that name"
)]
pub struct Inspection {
    pub input: Value,
    pub after_input_path: Option<Value>,
    pub after_parameters: Option<Value>,
    pub after_arguments: Option<Value>,
    pub after_items_path: Option<Value>,
    pub after_item_selector: Option<Value>,
    pub result: Option<Value>,
    pub after_result_selector: Option<Value>,
    pub after_result_path: Option<Value>,
    pub variables: Option<Value>,
    pub max_concurrency: Option<u64>,
    pub tolerated_failure_count: Option<u64>,
    pub tolerated_failure_percentage: Option<f64>,
    pub error_details: Option<ErrorDetails>,
}

/// Which retrier or catcher took an error, counted from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorDetails {
    /// The catcher.
    pub catch_index: Option<usize>,
    /// The retrier.
    pub retry_index: Option<usize>,
    /// How long it waits.
    pub retry_backoff_seconds: Option<i64>,
}

impl Inspection {
    /// The data in the API's order: the field's name, and the value whose text it holds.
    pub fn data(&self) -> Vec<(&'static str, &Value)> {
        let fields = [
            ("input", Some(&self.input)),
            ("afterArguments", self.after_arguments.as_ref()),
            ("afterInputPath", self.after_input_path.as_ref()),
            ("afterParameters", self.after_parameters.as_ref()),
            ("result", self.result.as_ref()),
            ("afterResultSelector", self.after_result_selector.as_ref()),
            ("afterResultPath", self.after_result_path.as_ref()),
            ("variables", self.variables.as_ref()),
            ("afterItemsPath", self.after_items_path.as_ref()),
            ("afterItemSelector", self.after_item_selector.as_ref()),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

impl Test<'_> {
    /// What the state does, as far as nothing works for it.
    pub(super) fn work(
        &self,
        state: &State,
        evaluator: &Evaluator<'_>,
        inspection: &mut Inspection,
    ) -> Result<Worked, Trouble> {
        match &state.kind {
            Kind::Pass { result } => {
                let given = match (result, &state.data) {
                    (Some(result), _) => {
                        inspection.result = Some(result.clone());
                        result.clone()
                    }
                    (None, DataFlow::JsonPath(_)) => Self::parameters(evaluator, inspection)?,
                    (None, DataFlow::Jsonata(_)) => evaluator.arguments()?,
                };
                self.leave(state, evaluator, given, inspection)
            }
            Kind::Succeed | Kind::Wait(_) => {
                Self::input_path(state, evaluator, inspection)?;
                let exit = evaluator.exit(None)?;
                Self::assigned(exit.assigned.as_deref(), inspection);
                Ok(Worked::Done(exit.output, target(state.next)))
            }
            Kind::Fail(fail) => {
                let error = fail
                    .error
                    .as_ref()
                    .map(|error| evaluator.text(error, "Error"))
                    .transpose()?;
                let cause = fail
                    .cause
                    .as_ref()
                    .map(|cause| evaluator.text(cause, "Cause"))
                    .transpose()?;
                Ok(Worked::Fails(Failure { error, cause }))
            }
            Kind::Choice(choice) => {
                Self::input_path(state, evaluator, inspection)?;
                let (exit, next) = evaluator.choose(choice)?;
                Self::assigned(exit.assigned.as_deref(), inspection);
                Ok(Worked::Done(exit.output, Some(next)))
            }
            Kind::Task(_) | Kind::Parallel(_) => {
                let given = match &state.data {
                    DataFlow::JsonPath(_) => Self::parameters(evaluator, inspection)?,
                    DataFlow::Jsonata(_) => {
                        let arguments = evaluator.arguments()?;
                        if matches!(state.kind, Kind::Task(_)) {
                            inspection.after_arguments = Some(arguments.clone());
                        }
                        arguments
                    }
                };
                self.mocked(state, evaluator, given, inspection)
            }
            Kind::Map(map) => self.map(state, map, evaluator, inspection),
        }
    }

    fn mocked(
        &self,
        state: &State,
        evaluator: &Evaluator<'_>,
        given: Value,
        inspection: &mut Inspection,
    ) -> Result<Worked, Trouble> {
        match &self.mock {
            None => Ok(Worked::Needs(given)),
            Some(Mock::Error(failure)) => Ok(Worked::Fails(failure.clone())),
            Some(Mock::Result(result)) => {
                if let DataFlow::JsonPath(_) = &state.data {
                    inspection.result = Some(result.clone());
                }
                self.leave(state, evaluator, result.clone(), inspection)
            }
        }
    }

    fn map(
        &self,
        state: &State,
        map: &Map,
        evaluator: &Evaluator<'_>,
        inspection: &mut Inspection,
    ) -> Result<Worked, Trouble> {
        Self::input_path(state, evaluator, inspection)?;
        let list = match (&self.configuration.map_item_reader_data, &map.reader) {
            (Some(read), Some(_)) => read.clone(),
            (None, Some(_)) => Value::from(Vec::new()),
            _ => items::items(evaluator, state, map)?,
        };
        if matches!(state.data, DataFlow::JsonPath(_)) {
            inspection.after_items_path = Some(list.clone());
        }
        inspection.max_concurrency = Some(items::concurrency(evaluator, map)?);
        let count = map
            .tolerated_count
            .as_ref()
            .map(|it| evaluator.integer(it, "ToleratedFailureCount"))
            .transpose()?;
        let percentage = map
            .tolerated_percentage
            .as_ref()
            .map(|it| evaluator.float(it, "ToleratedFailurePercentage"))
            .transpose()?;
        (
            inspection.tolerated_failure_count,
            inspection.tolerated_failure_percentage,
        ) = (count, percentage);
        let length = list.as_array().map_or(0, |list| list.len());
        let failures = self.configuration.map_iteration_failure_count.unwrap_or(0);
        #[expect(
            clippy::cast_precision_loss,
            reason = "iterations are far fewer than 2^53"
        )]
        let exceeded = failures as f64 > distributed::tolerance(evaluator, map, length)?;
        match &self.mock {
            Some(Mock::Result(_)) if exceeded => Ok(Worked::Fails(map_run::exceeded())),
            Some(Mock::Result(result)) => {
                let exit = evaluator.exit(Some(result.clone()))?;
                Self::assigned(exit.assigned.as_deref(), inspection);
                Ok(Worked::Done(exit.output, target(state.next)))
            }
            Some(Mock::Error(failure)) => Ok(Worked::Fails(failure.clone())),
            None => Ok(Worked::Needs(list)),
        }
    }

    /// Leaves the state with a result.
    fn leave(
        &self,
        state: &State,
        evaluator: &Evaluator<'_>,
        result: Value,
        inspection: &mut Inspection,
    ) -> Result<Worked, Trouble> {
        if let DataFlow::JsonPath(data) = &state.data {
            let selected = evaluator.selected(data, &result)?;
            inspection.after_result_path =
                Some(evaluator.place(&data.result_path, &self.input, selected.clone())?);
            inspection.after_result_selector = Some(selected);
        }
        let exit = evaluator.exit(Some(result))?;
        Self::assigned(exit.assigned.as_deref(), inspection);
        Ok(Worked::Done(exit.output, target(state.next)))
    }

    fn input_path(
        state: &State,
        evaluator: &Evaluator<'_>,
        inspection: &mut Inspection,
    ) -> Result<(), Trouble> {
        if let DataFlow::JsonPath(_) = &state.data {
            inspection.after_input_path = Some(evaluator.effective_input()?);
        }
        Ok(())
    }

    fn parameters(
        evaluator: &Evaluator<'_>,
        inspection: &mut Inspection,
    ) -> Result<Value, Trouble> {
        inspection.after_input_path = Some(evaluator.effective_input()?);
        let parameters = evaluator.arguments()?;
        inspection.after_parameters = Some(parameters.clone());
        Ok(parameters)
    }

    fn assigned(assigned: Option<&crate::value::Map>, inspection: &mut Inspection) {
        inspection.variables = assigned.map(|assigned| Value::from(assigned.clone()));
    }
}
