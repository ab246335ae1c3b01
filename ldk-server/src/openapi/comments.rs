//! The comments of the proto files, which are the descriptions.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// The path of `syntax` in a file: its comment is the one at the head of the file.
const SYNTAX: &[i32] = &[12];

/// The comments, by file and by the path of what they are on.
pub(super) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        Self(pool.files().flat_map(|file| of_file(&file)).collect())
    }

    /// The comment on the descriptor with this path; empty if it has none.
    pub(super) fn on(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        self.0.get(&(file.name().to_owned(), path.to_vec())).map_or("", String::as_str)
    }

    /// The comment at the head of a file.
    pub(super) fn head(&self, file: &FileDescriptor) -> &str {
        self.on(file, SYNTAX)
    }
}

fn of_file(file: &FileDescriptor) -> Vec<((String, Vec<i32>), String)> {
    let locations = file.file_descriptor_proto().source_code_info.iter();
    let locations = locations.flat_map(|info| &info.location);
    let commented = locations.filter(|location| location.leading_comments.is_some());
    commented
        .map(|location| {
            let text = unwrapped(location.leading_comments());
            ((file.name().to_owned(), location.path.clone()), text)
        })
        .collect()
}

/// The paragraphs of a comment, each on one line.
fn unwrapped(comment: &str) -> String {
    let lines: Vec<_> = comment.trim().lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty()).map(|lines| lines.join(" "));
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The first sentence of a description, without its full stop.
pub(super) fn first_sentence(text: &str) -> &str {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let mut ends = paragraph.match_indices(". ").map(|(at, _)| at);
    // Not at an abbreviation.
    let end = ends.find(|at| !paragraph[..*at].ends_with("e.g"));
    paragraph[..end.unwrap_or(paragraph.len())].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_kept_and_lines_are_not() {
        assert_eq!(unwrapped(" One\n two.\n\n Three.\n"), "One two.\n\nThree.");
        assert_eq!(unwrapped(""), "");
    }

    #[test]
    fn a_summary_is_one_sentence() {
        assert_eq!(first_sentence("Pays. Then more."), "Pays");
        assert_eq!(first_sentence("Pays 1.5 sat.\n\nMore."), "Pays 1.5 sat");
        assert_eq!(first_sentence(""), "");
    }
}
