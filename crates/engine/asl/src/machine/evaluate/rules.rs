//! Which rule of a Choice state holds.

use super::{Evaluated, Evaluator, Exit, Trouble};
use crate::choice::{Comparison, Operand};
use crate::definition::{Choice, Condition, DataFlow, Rule, StateId};
use crate::jsonpath::Path;
use crate::value::Value;

impl Evaluator<'_> {
    /// Where a Choice state leads, and what it hands on.
    pub(in crate::machine) fn choose(&self, choice: &Choice) -> Evaluated<(Exit, StateId)> {
        let input = self.effective_input()?;
        for (index, rule) in choice.rules.iter().enumerate() {
            if self.holds(&rule.condition, index, &input)? {
                return Ok((self.exit_by_rule(index, rule)?, rule.next));
            }
        }
        match choice.default {
            Some(default) => Ok((self.exit(None)?, default)),
            None => Err(Trouble::Named(
                "States.NoChoiceMatched",
                "Failed to transition out of the state. The state does not point to a next state."
                    .to_owned(),
            )),
        }
    }

    /// What a Choice state hands on by a rule.
    fn exit_by_rule(&self, index: usize, rule: &Rule) -> Evaluated<Exit> {
        let field = |name: &str| format!("Choices[{index}]/{name}");
        let input = self.effective_input()?;
        let output = match (&self.state.data, &rule.output) {
            (DataFlow::JsonPath(data), _) => self.select(&data.output_path, &input)?,
            (DataFlow::Jsonata(_), Some(output)) => {
                self.render(output, &field("Output"), &input, None, None)?
            }
            (DataFlow::Jsonata(_), None) => input.clone(),
        };
        let assigned = self.assigned(rule.assign.as_ref(), &field("Assign"), &input, None, None)?;
        Ok(Exit { output, assigned })
    }

    /// Whether the rule of a Choice state holds.
    fn holds(&self, condition: &Condition, index: usize, input: &Value) -> Evaluated<bool> {
        Ok(match condition {
            Condition::And(all) => {
                for one in all {
                    if !self.holds(one, index, input)? {
                        return Ok(false);
                    }
                }
                true
            }
            Condition::Or(any) => {
                for one in any {
                    if self.holds(one, index, input)? {
                        return Ok(true);
                    }
                }
                false
            }
            Condition::Not(one) => !self.holds(one, index, input)?,
            Condition::Compare {
                variable,
                comparison,
            } => self.compares(variable, comparison, input)?,
            Condition::Expression(template) => self.typed(
                template,
                &format!("Choices[{index}]/Condition"),
                "boolean",
                Value::as_bool,
            )?,
        })
    }

    fn compares(&self, variable: &Path, comparison: &Comparison, input: &Value) -> Evaluated<bool> {
        let scope = self.scope();
        let invalid = |path: &Path| {
            Trouble::runtime(format!(
                "Invalid path '{path}': The choice state's condition path references an invalid value."
            ))
        };
        let Ok(value) = variable.evaluate(input, &scope) else {
            return match comparison {
                Comparison::IsPresent(expected) => Ok(!expected),
                _ => Err(invalid(variable)),
            };
        };
        let operand = match comparison {
            Comparison::Order {
                operand: Operand::Path(path),
                ..
            } => Some(path.evaluate(input, &scope).map_err(|_| invalid(path))?),
            _ => None,
        };
        Ok(comparison.holds(&value, operand.as_ref()))
    }
}
