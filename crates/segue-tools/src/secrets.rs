//! Secrets in the operator's text: `Bearer secret://CRM` is put together when it is sent, and shown never.

use std::sync::Arc;

use segue::{ErrorKind, Failure, Secret};

/// What stands before the name of a secret.
const SCHEME: &str = "secret://";

/// Finds a secret by its name.
pub type Lookup = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// Text with secrets in it, by name.
///
/// ```
/// use segue_tools::secrets::Written;
///
/// let header = Written::new("Bearer secret://CRM");
/// assert_eq!(header.names().collect::<Vec<_>>(), ["CRM"]);
/// let filled = header.filled(&|_| Some(segue::Secret::new("s3cret"))).expect("it is known");
/// assert_eq!(filled.expose(), "Bearer s3cret");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Secret(String),
}

impl Written {
    /// Reads text. A name ends where no letter, digit or underscore follows.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(SCHEME) {
            let after = &rest[at + SCHEME.len()..];
            let length = after
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            parts.push(Part::Secret(after[..length].to_owned()));
            rest = &after[length..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Self(parts)
    }

    /// The names of its secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with its secrets.
    ///
    /// # Errors
    /// When there is no secret of a name.
    pub fn filled(&self, lookup: &dyn Fn(&str) -> Option<Secret>) -> Result<Secret, Failure> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Secret(name) => {
                    let secret = lookup(name).ok_or_else(|| {
                        let message = format!("there is no secret `{name}`");
                        Failure::new(ErrorKind::MissingPrerequisites, message)
                    })?;
                    text.push_str(secret.expose());
                }
            }
        }
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_wherever_they_stand() {
        let names = |text: &str| Written::new(text).names().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names("plain"), Vec::<String>::new());
        assert_eq!(names("secret://A"), ["A"]);
        assert_eq!(names("a secret://A_1:secret://B, c"), ["A_1", "B"]);
        let lookup = |name: &str| (name != "B").then(|| Secret::new(name.to_lowercase()));
        let filled = |text: &str| {
            Written::new(text)
                .filled(&lookup)
                .map(|text| text.expose().to_owned())
        };
        assert_eq!(filled("x secret://A:y").ok().as_deref(), Some("x a:y"));
        assert_eq!(filled("plain").ok().as_deref(), Some("plain"));
        let missing = filled("secret://A secret://B").expect_err("it is not there");
        assert_eq!(missing.message, "there is no secret `B`");
    }
}
