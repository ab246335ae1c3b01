//! The guide as a list of things to do, in the order in which they stand in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Something to do, and the line of the guide that asks for it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// Commands for a shell, one a line.
    Shell(String),
    /// What the last command answered.
    Answer(Value),
    /// An event that is printed where somebody follows them.
    Event(Value),
    /// The message that the last command failed with.
    Failure(String),
    /// What is typed where `cargo regtest` runs.
    Regtest(String),
    /// A program, by the name of its language.
    Program(String, String),
}

pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Document {
    /// The guide.
    pub(crate) fn read() -> Result<Self> {
        Self::read_from("api-guide.md")
    }

    /// Another document of this name.
    pub(crate) fn read_from(name: &str) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path, text })
    }

    /// Every block of code that is to be executed.
    pub(crate) fn steps(&self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((index, opening)) = lines.next() {
            let Some(language) = opening.strip_prefix("```") else { continue };
            let body: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let line = index + 1;
            let action = action(language, body.join("\n"))
                .with_context(|| format!("line {line} of the guide"))?;
            steps.extend(action.map(|action| Step { line, action }));
        }
        Ok(steps)
    }

    /// Writes other contents into the blocks that begin at these lines.
    pub(crate) fn write(&self, corrections: &[(usize, String)]) -> Result<()> {
        if corrections.is_empty() {
            return Ok(());
        }
        let mut text: Vec<&str> = self.text.lines().collect();
        // From the end, so that the numbers of the lines before stay right.
        for (line, body) in corrections.iter().rev() {
            let length = text[*line..].iter().take_while(|line| **line != "```").count();
            text.splice(*line..line + length, body.lines());
        }
        Ok(std::fs::write(&self.path, text.join("\n") + "\n")?)
    }
}

fn action(language: &str, body: String) -> Result<Option<Action>> {
    Ok(Some(match language {
        "sh" => Action::Shell(body),
        "json" => Action::Answer(serde_json::from_str(&body)?),
        "json event" => Action::Event(serde_json::from_str(&body)?),
        "error" => Action::Failure(body),
        "regtest" => Action::Regtest(body),
        "rust" | "python" | "javascript" => Action::Program(language.to_owned(), body),
        // Shown, not executed.
        "text" | "protobuf" | "go" | "console" => return Ok(None),
        other => bail!("a block of {other:?}: nobody knows how to execute it"),
    }))
}
