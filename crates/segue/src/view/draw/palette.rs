//! How a status looks: one shape, one colour per theme, the same in every format.
//!
//! Meaning never hangs on colour alone, so whoever uses a colour also shows shape and word.

use std::fmt::Write;

/// Shape and colours of a status.
pub(super) struct Look {
    /// The status this is for.
    pub word: &'static str,
    /// One terminal cell wide.
    pub shape: char,
    /// Text and accent colour on a light card.
    pub light: &'static str,
    /// Text and accent colour on a dark card.
    pub dark: &'static str,
    /// Pale fill for formats with one theme, which also set their own dark text.
    pub tint: &'static str,
}

/// A colour that follows the theme, by the class of the elements painted in it.
pub(super) struct Paint {
    pub class: &'static str,
    pub light: &'static str,
    pub dark: &'static str,
}

pub(super) const CANVAS: Paint = Paint {
    class: "seg-canvas",
    light: "#f6f8fa",
    dark: "#0d1117",
};
pub(super) const CARD: Paint = Paint {
    class: "seg-card",
    light: "#ffffff",
    dark: "#161b22",
};
pub(super) const DIM: Paint = Paint {
    class: "seg-dim",
    light: "#eef1f4",
    dark: "#11161c",
};
pub(super) const INK: Paint = Paint {
    class: "seg-ink",
    light: "#1f2328",
    dark: "#e6edf3",
};
pub(super) const MUTED: Paint = Paint {
    class: "seg-muted",
    light: "#57606a",
    dark: "#9aa4af",
};
pub(super) const BORDER: Paint = Paint {
    class: "seg-border",
    light: "#8c959f",
    dark: "#6e7681",
};
pub(super) const EDGE: Paint = Paint {
    class: "seg-edge",
    light: "#6e7781",
    dark: "#8b949e",
};
pub(super) const HATCH: Paint = Paint {
    class: "seg-hatch",
    light: "#f3dfa8",
    dark: "#3d3110",
};
pub(super) const STALE: Paint = Paint {
    class: "seg-stale",
    light: "#7d4e00",
    dark: "#e3b341",
};
pub(super) const TAKEN: Paint = Paint {
    class: "seg-taken",
    light: "#0550ae",
    dark: "#79c0ff",
};

const FILLED: [&Paint; 8] = [&CANVAS, &CARD, &DIM, &INK, &MUTED, &EDGE, &STALE, &TAKEN];
const STROKED: [&Paint; 4] = [&BORDER, &EDGE, &HATCH, &TAKEN];

/// The looks of all statuses, in the order a step goes through them.
pub(super) const LOOKS: [Look; 8] = [
    Look {
        word: "pending",
        shape: '○',
        light: "#57606a",
        dark: "#9aa4af",
        tint: "#f6f8fa",
    },
    Look {
        word: "ready",
        shape: '→',
        light: "#0f6b6b",
        dark: "#56d4dd",
        tint: "#d9f2f2",
    },
    Look {
        word: "running",
        shape: '◐',
        light: "#0550ae",
        dark: "#79c0ff",
        tint: "#ddf4ff",
    },
    Look {
        word: "waiting",
        shape: '‖',
        light: "#7d4e00",
        dark: "#e3b341",
        tint: "#fff3c4",
    },
    Look {
        word: "succeeded",
        shape: '✓',
        light: "#116329",
        dark: "#56d364",
        tint: "#dafbe1",
    },
    Look {
        word: "failed",
        shape: '✗',
        light: "#b3121f",
        dark: "#ff8a80",
        tint: "#ffe3e0",
    },
    Look {
        word: "skipped",
        shape: '⊘',
        light: "#59626c",
        dark: "#9aa4af",
        tint: "#eaeef2",
    },
    Look {
        word: "cancelled",
        shape: '■',
        light: "#6639ba",
        dark: "#c8a6ff",
        tint: "#f1e8ff",
    },
];

/// The look of a status; a word that is none of the known ones looks pending.
pub(super) fn look(status: &str) -> &'static Look {
    LOOKS.iter().find(|look| look.word == status).unwrap_or(&LOOKS[0])
}

/// The style sheet of [`svg`](super::svg) pictures: the dark theme's colours.
///
/// Each picture carries it. A page that embeds pictures under a policy without inline styles
/// serves it as a file; without it a picture shows its light colours.
pub fn stylesheet() -> String {
    let mut css = String::from("@media (prefers-color-scheme:dark){");
    let mut rule = |class: &str, property: &str, colour: &str| {
        // Writing to a string cannot fail.
        let _ = write!(css, ".{class}{{{property}:{colour}}}");
    };
    for paint in FILLED {
        rule(paint.class, "fill", paint.dark);
    }
    for paint in STROKED {
        rule(&format!("{}-line", paint.class), "stroke", paint.dark);
    }
    for look in &LOOKS {
        rule(&format!("seg-{}", look.word), "fill", look.dark);
        rule(&format!("seg-{}-line", look.word), "stroke", look.dark);
    }
    css.push('}');
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast ratio of two `#rrggbb` colours as WCAG 2.2 defines it.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |colour: &str| {
            let channel = |at: usize| {
                let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour is #rrggbb");
                let value = f64::from(value) / 255.0;
                if value <= 0.04045 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_reads_on_every_surface_in_both_themes() {
        let inks = [&INK, &MUTED, &STALE, &TAKEN].map(|paint| (paint.class, paint.light, paint.dark));
        let statuses = LOOKS.each_ref().map(|look| (look.word, look.light, look.dark));
        for (name, light, dark) in inks.into_iter().chain(statuses) {
            for surface in [&CANVAS, &CARD, &DIM, &HATCH] {
                assert!(
                    contrast(light, surface.light) >= 4.5,
                    "{name} on light {}",
                    surface.class
                );
                assert!(
                    contrast(dark, surface.dark) >= 4.5,
                    "{name} on dark {}",
                    surface.class
                );
            }
        }
        for look in &LOOKS {
            assert!(
                contrast(INK.light, look.tint) >= 7.0,
                "ink on the tint of {}",
                look.word
            );
        }
    }

    #[test]
    fn lines_stand_out_from_the_canvas() {
        for line in [&EDGE, &TAKEN] {
            assert!(contrast(line.light, CANVAS.light) >= 3.0, "light {}", line.class);
            assert!(contrast(line.dark, CANVAS.dark) >= 3.0, "dark {}", line.class);
        }
    }
}
