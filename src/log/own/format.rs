//! A format of the user, from either of its sources.

use std::sync::Arc;

use crate::model::{LogId, Shows};

use super::super::web::{Custom, PatternError};
use super::super::{Builder, Head, Sureness};
use super::DefinitionError;
use super::definition::Definition;
use super::lines::Lines;

/// A format that the user describes.
#[derive(Clone, Debug)]
pub struct OwnFormat {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Definition(Arc<Definition>),
    Pattern(Custom),
}

/// Why a description of a format cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A file of definitions has a fault.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// It has no name.
    #[error("'{text}' has no name: write --log-format 'NAME=FORMAT', then -l NAME:FILE")]
    NoName {
        /// What was given.
        text: String,
    },
    /// The format's text has a fault.
    #[error("the log format '{name}' cannot be read: {why}")]
    Pattern {
        /// Its name.
        name: String,
        /// What is wrong, and the remedy.
        why: String,
    },
}

impl OwnFormat {
    /// From `NAME=FORMAT`, the format being nginx's `log_format`, Apache's `LogFormat` or HAProxy's `log-format`.
    ///
    /// # Errors
    /// When no line could be taken apart by it.
    pub fn from_pattern(text: &str) -> Result<Self, FormatError> {
        let no_name = || FormatError::NoName {
            text: text.to_owned(),
        };
        let (name, format) = text.split_once('=').ok_or_else(no_name)?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(no_name());
        }
        let custom = Custom::parse(format).map_err(|error: PatternError| FormatError::Pattern {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self {
            name: name.to_owned(),
            kind: Kind::Pattern(custom),
        })
    }

    /// From the text of a file of definitions; `file` is for messages.
    ///
    /// # Errors
    /// When the file has a fault; the message names its line and the remedy.
    pub fn from_definition(file: &str, text: &str) -> Result<Self, FormatError> {
        let definition = Definition::parse(file, text)?;
        Ok(Self {
            name: definition.name.clone(),
            kind: Kind::Definition(Arc::new(definition)),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its lines can show.
    pub(in crate::log) fn shows(&self) -> Shows {
        match &self.kind {
            Kind::Definition(definition) => definition.shows(),
            Kind::Pattern(custom) => custom.shows(),
        }
    }

    /// How much of a head is in this format.
    pub(in crate::log) fn probe(&self, head: &Head<'_>) -> Sureness {
        match &self.kind {
            Kind::Definition(definition) => definition.probe(head),
            Kind::Pattern(custom) => custom.probe(head),
        }
    }

    /// A builder for one file.
    pub(in crate::log) fn open(&self, id: LogId) -> Box<dyn Builder> {
        match &self.kind {
            Kind::Definition(definition) => Box::new(Lines::new(definition.clone(), id)),
            Kind::Pattern(custom) => custom.open(id),
        }
    }
}
