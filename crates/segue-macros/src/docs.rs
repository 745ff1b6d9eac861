//! Documentation comments as text: what a person reads in the source is what a model is told.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The documentation in `attributes`, one line per line, without the space that follows `///`; `None` when there is none.
pub(crate) fn text(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Whether `attribute` is documentation.
pub(crate) fn is_doc(attribute: &Attribute) -> bool {
    attribute.path().is_ident("doc")
}

fn line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text), ..
    }) = &pair.value
    else {
        return None;
    };
    if !is_doc(attribute) {
        return None;
    }
    let text = text.value();
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn lines_lose_one_space_and_keep_their_shape() {
        let attributes: Vec<Attribute> = vec![
            parse_quote!(#[doc = " The price."]),
            parse_quote!(#[must_use]),
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = "   indented"]),
        ];
        assert_eq!(text(&attributes).as_deref(), Some("The price.\n\n  indented"));
    }

    #[test]
    fn blank_documentation_is_none() {
        assert_eq!(text(&[]), None);
        assert_eq!(
            text(&[parse_quote!(#[doc = "  "]), parse_quote!(#[doc(hidden)])]),
            None
        );
    }
}
