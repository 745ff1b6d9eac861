//! What stands in the brackets of `#[tool(…)]`.

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::parse::Parser;
use syn::{Ident, LitStr};

use crate::name;

/// The settings of one tool; an empty list is all defaults.
#[derive(Default)]
pub(super) struct Settings {
    name: Option<LitStr>,
    class: Option<Ident>,
}

/// As written, and as the variant of `ToolClass`.
const CLASSES: [(&str, &str); 3] = [
    ("read_only", "ReadOnly"),
    ("idempotent", "Idempotent"),
    ("effectful", "Effectful"),
];

impl Settings {
    /// # Errors
    ///
    /// A setting that does not exist, is given twice, or has a value it does not take.
    pub(super) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut settings = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                name::set_once(&mut settings.name, &meta)
            } else if meta.path.is_ident("class") {
                let said: Ident = meta.value()?.parse()?;
                if settings.class.is_some() {
                    return Err(meta.error("`class` is given twice"));
                }
                settings.class = Some(class_variant(&said)?);
                Ok(())
            } else {
                Err(meta.error("unknown setting; a tool has `name` and `class`"))
            }
        });
        parser.parse2(tokens)?;
        Ok(settings)
    }

    /// The name, when it is not the function's.
    pub(super) fn name(&self) -> Option<String> {
        self.name.as_ref().map(LitStr::value)
    }

    /// The variant of `ToolClass`, when one is said.
    pub(super) fn class(&self) -> Option<&Ident> {
        self.class.as_ref()
    }
}

fn class_variant(said: &Ident) -> syn::Result<Ident> {
    let known = CLASSES.iter().find(|(written, _)| said == written);
    let Some((_, variant)) = known else {
        return Err(syn::Error::new_spanned(
            said,
            format!("unknown class `{said}`; a tool is `read_only`, `idempotent` or `effectful`"),
        ));
    };
    Ok(format_ident!("{variant}", span = said.span()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> Result<Settings, String> {
        Settings::parse(source.parse().expect("the test is Rust")).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_is_said() {
        let settings = parse(r#"name = "app.price", class = read_only"#).unwrap();
        assert_eq!(settings.name().as_deref(), Some("app.price"));
        assert_eq!(
            settings.class().map(Ident::to_string).as_deref(),
            Some("ReadOnly")
        );
        assert!(parse("").unwrap().class().is_none());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (source, message) in [
            (
                "class = pure",
                "unknown class `pure`; a tool is `read_only`, `idempotent` or `effectful`",
            ),
            ("retries = 2", "unknown setting; a tool has `name` and `class`"),
            (r#"name = "a", name = "b""#, "`name` is given twice"),
            ("class = idempotent, class = idempotent", "`class` is given twice"),
        ] {
            assert_eq!(parse(source).err().as_deref(), Some(message), "{source}");
        }
    }
}
