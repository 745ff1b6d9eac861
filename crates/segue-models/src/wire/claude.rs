//! Claude models by their names: what each generation of them takes.

/// The last version that is given tokens to think; later ones weigh that themselves and take an effort.
const LAST_BUDGET: (u32, u32) = (4, 5);
/// The first version that can be held to a schema.
const FIRST_ENFORCED: (u32, u32) = (4, 5);
/// The last version that takes a temperature.
const LAST_SAMPLED: (u32, u32) = (4, 6);

/// Which Claude model a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claude {
    /// One of this version.
    Version(u32, u32),
    /// One whose name has no version: newer than those that have one.
    Newest,
    /// None: a model of somebody else who speaks the protocol.
    Other,
}

impl Claude {
    /// The one of this name. Versions are before or after the family: `claude-3-7-sonnet-latest`, `claude-opus-4-20250514`.
    pub(super) fn called(model: &str) -> Self {
        let Some((_, name)) = model.split_once("claude-") else {
            return Self::Other;
        };
        let mut numbers = name.split(['-', '.']).map(|part| match part.len() {
            // A date is longer.
            1 | 2 => part.parse::<u32>().ok(),
            _ => None,
        });
        match numbers.by_ref().find_map(|number| number) {
            Some(major) => Self::Version(major, numbers.next().flatten().unwrap_or(0)),
            None => Self::Newest,
        }
    }

    pub(super) fn thinks_by_budget(self) -> bool {
        matches!(self, Self::Version(major, minor) if (major, minor) <= LAST_BUDGET)
    }

    /// Whether it can be held to a schema while it writes.
    pub(super) fn enforces(self) -> bool {
        match self {
            Self::Version(major, minor) => (major, minor) >= FIRST_ENFORCED,
            Self::Newest => true,
            Self::Other => false,
        }
    }

    /// Whether it takes a temperature when it does not think.
    pub(super) fn samples(self) -> bool {
        match self {
            Self::Version(major, minor) => (major, minor) <= LAST_SAMPLED,
            Self::Newest => false,
            Self::Other => true,
        }
    }

    /// Whether it thinks also where nothing is said of it, unless it is told not to.
    pub(super) fn thinks_unasked(self) -> bool {
        match self {
            Self::Version(major, minor) => (major, minor) > LAST_BUDGET,
            Self::Newest => true,
            Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        for (name, expected) in [
            ("claude-3-haiku-20240307", Claude::Version(3, 0)),
            ("claude-3-7-sonnet-latest", Claude::Version(3, 7)),
            ("claude-opus-4-20250514", Claude::Version(4, 0)),
            ("claude-haiku-4-5-20251001", Claude::Version(4, 5)),
            ("anthropic/claude-sonnet-4-6", Claude::Version(4, 6)),
            ("claude-opus-5", Claude::Version(5, 0)),
            ("claude-mythos-preview", Claude::Newest),
            ("m-1", Claude::Other),
        ] {
            assert_eq!(Claude::called(name), expected, "{name}");
        }
    }

    #[test]
    fn each_generation_takes_what_it_takes() {
        for (name, by_budget, samples) in [
            ("claude-3-7-sonnet-latest", true, true),
            ("claude-opus-4-5", true, true),
            ("claude-sonnet-4-6", false, true),
            ("claude-opus-4-7", false, false),
            ("claude-haiku-5-5", false, false),
            ("claude-mythos-preview", false, false),
            ("m-1", false, true),
        ] {
            let claude = Claude::called(name);
            assert_eq!(
                (claude.thinks_by_budget(), claude.samples()),
                (by_budget, samples),
                "{name}"
            );
        }
    }
}
