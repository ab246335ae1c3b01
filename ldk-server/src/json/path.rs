//! Where in a message something is wrong.

use std::cell::RefCell;
use std::fmt;

/// A request that is not what its message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The field, from the message on: `route_parameters.max_path_count`, `custom_tlvs[2].type_num`.
    /// Empty for the message as a whole.
    pub path: String,
    /// What is wrong, and what is accepted.
    pub problem: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the message" } else { &self.path };
        write!(f, "{path} {}", self.problem)
    }
}

impl std::error::Error for Refused {}

/// One step from a message to what it contains.
pub(super) enum Step {
    Field(String),
    Index(usize),
    Key(String),
}

/// The place that is being read, and what was found wrong there.
#[derive(Default)]
pub(super) struct Path {
    steps: RefCell<Vec<Step>>,
    problem: RefCell<Option<String>>,
}

impl Path {
    pub(super) fn enter(&self, step: Step) {
        self.steps.borrow_mut().push(step);
    }

    pub(super) fn leave(&self) {
        self.steps.borrow_mut().pop();
    }

    /// Keeps what is wrong here: the error of the parser has no place for it.
    pub(super) fn refuse<E: serde::de::Error>(&self, problem: String) -> E {
        *self.problem.borrow_mut() = Some(problem);
        E::custom("refused")
    }

    /// What was wrong, and where. Without a problem of ours the text is not JSON.
    pub(super) fn refused(self, error: &serde_json::Error) -> Refused {
        let path = self.to_string();
        let problem = self.problem.into_inner();
        let problem = problem.unwrap_or_else(|| format!("is not well-formed JSON: {error}"));
        Refused { path, problem }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.borrow().iter().enumerate() {
            match step {
                Step::Field(name) if at == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}
