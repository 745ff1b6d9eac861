//! `#[derive(Route)]`: a field-less enum becomes the arms of a route.
//!
//! The arm's name is the one form of the enum outside the program: in the log, in a pipeline's schema and in what a model
//! answers. So serde and schemars follow from the arms here and cannot be derived to say something else.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Variant};

use crate::faults::Faults;
use crate::{docs, name};

/// One variant and the name of its arm.
struct Arm<'a> {
    variant: &'a Ident,
    name: String,
}

/// Writes the implementations for `input`.
///
/// # Errors
///
/// All that keeps the enum from being a route: fields, no variants, names that are malformed or shared.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let arms = arms(input)?;
    let implementation = implement_route(&input.ident, &arms);
    let serde = implement_serde(&input.ident);
    let schema = implement_schema(&input.ident, docs::text(&input.attrs));
    Ok(quote! {
        #implementation
        #serde
        #schema
    })
}

fn arms(input: &DeriveInput) -> syn::Result<Vec<Arm<'_>>> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "a route is an enum with one variant for each arm",
        ));
    };
    let mut faults = Faults::default();
    if data.variants.is_empty() {
        faults.at(&input.ident, "a route has at least one arm");
    }
    if !input.generics.params.is_empty() {
        faults.at(
            &input.generics,
            "a route has no parameters: its arms are known when the pipeline is checked",
        );
    }
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("route"))
    {
        faults.at(attribute, "`#[route(…)]` goes on a variant");
    }

    let mut arms = Vec::new();
    let mut seen = BTreeMap::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            faults.at(
                &variant.fields,
                format!(
                    "arm `{}` carries fields; the value goes along its own edge",
                    variant.ident
                ),
            );
        }
        let Some(name) = faults.keep(arm_name(variant)) else {
            continue;
        };
        if let Some(first) = seen.insert(name.clone(), &variant.ident) {
            faults.at(variant, format!("arm `{name}` is also the name of `{first}`"));
        }
        arms.push(Arm {
            variant: &variant.ident,
            name,
        });
    }
    faults.check()?;
    Ok(arms)
}

fn arm_name(variant: &Variant) -> syn::Result<String> {
    let mut said: Option<LitStr> = None;
    for attribute in variant
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("route"))
    {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name::set_once(&mut said, &meta)
            } else {
                Err(meta.error("unknown setting; `#[route(name = \"…\")]` is the only one"))
            }
        })?;
    }
    let arm = said
        .as_ref()
        .map_or_else(|| name::snake_case(&variant.ident), LitStr::value);
    if name::is_plain(&arm) {
        return Ok(arm);
    }
    let message = format!(
        "arm name `{arm}` is not formed as `[a-z][a-z0-9_-]{{0,63}}`; choose one with `#[route(name = \"…\")]`"
    );
    Err(match &said {
        Some(literal) => syn::Error::new_spanned(literal, message),
        None => syn::Error::new_spanned(&variant.ident, message),
    })
}

fn implement_route(ident: &Ident, arms: &[Arm<'_>]) -> TokenStream {
    let variants: Vec<_> = arms.iter().map(|arm| arm.variant).collect();
    let names: Vec<_> = arms.iter().map(|arm| &arm.name).collect();
    quote! {
        #[automatically_derived]
        impl ::segue::Route for #ident {
            const ARMS: &'static [&'static ::core::primitive::str] = &[#(#names),*];

            fn arm(&self) -> &'static ::core::primitive::str {
                match self {
                    #(Self::#variants => #names,)*
                }
            }

            fn from_arm(arm: &::core::primitive::str) -> ::core::option::Option<Self> {
                match arm {
                    #(#names => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }

            fn all() -> ::std::vec::Vec<Self> {
                ::std::vec![#(Self::#variants),*]
            }
        }
    }
}

fn implement_serde(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::segue::__private::serde::Serialize for #ident {
            fn serialize<S>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
            where
                S: ::segue::__private::serde::Serializer,
            {
                serializer.serialize_str(<Self as ::segue::Route>::arm(self))
            }
        }

        #[automatically_derived]
        impl<'de> ::segue::__private::serde::Deserialize<'de> for #ident {
            fn deserialize<D>(deserializer: D) -> ::core::result::Result<Self, D::Error>
            where
                D: ::segue::__private::serde::Deserializer<'de>,
            {
                let arm = <::std::string::String as ::segue::__private::serde::Deserialize>::deserialize(
                    deserializer,
                )?;
                <Self as ::segue::Route>::from_arm(&arm).ok_or_else(|| {
                    ::segue::__private::serde::de::Error::unknown_variant(
                        &arm,
                        <Self as ::segue::Route>::ARMS,
                    )
                })
            }
        }
    }
}

fn implement_schema(ident: &Ident, description: Option<String>) -> TokenStream {
    let title = name::of(ident);
    let described = description.map(|text| {
        quote! { schema.insert("description".into(), #text.into()); }
    });
    quote! {
        #[automatically_derived]
        impl ::segue::__private::schemars::JsonSchema for #ident {
            fn inline_schema() -> ::core::primitive::bool {
                true
            }

            fn schema_name() -> ::std::borrow::Cow<'static, ::core::primitive::str> {
                #title.into()
            }

            fn schema_id() -> ::std::borrow::Cow<'static, ::core::primitive::str> {
                ::core::concat!(::core::module_path!(), "::", #title).into()
            }

            fn json_schema(
                _: &mut ::segue::__private::schemars::SchemaGenerator,
            ) -> ::segue::__private::schemars::Schema {
                let mut schema = ::segue::__private::schemars::Schema::default();
                #described
                schema.insert("type".into(), "string".into());
                schema.insert("enum".into(), <Self as ::segue::Route>::ARMS.into());
                schema
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages `source` is refused with, in order.
    fn refused(source: &str) -> Vec<String> {
        let input = syn::parse_str(source).expect("the test is Rust");
        let error = expand(&input).expect_err("the test is refused");
        error.into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let cases: &[(&str, &[&str])] = &[
            (
                "struct Size;",
                &["a route is an enum with one variant for each arm"],
            ),
            (
                "union Size { a: u8 }",
                &["a route is an enum with one variant for each arm"],
            ),
            ("enum Size {}", &["a route has at least one arm"]),
            (
                "enum Size<T> { A }",
                &["a route has no parameters: its arms are known when the pipeline is checked"],
            ),
            (
                "enum Size { Short(u8), Long { words: u64 } }",
                &[
                    "arm `Short` carries fields; the value goes along its own edge",
                    "arm `Long` carries fields; the value goes along its own edge",
                ],
            ),
            (
                r#"enum Size { Short, #[route(name = "short")] Long }"#,
                &["arm `short` is also the name of `Short`"],
            ),
            (
                "enum Size { HTTPError, HttpError }",
                &["arm `http_error` is also the name of `HTTPError`"],
            ),
            (
                r#"enum Size { #[route(name = "Very Long")] Long }"#,
                &[
                    "arm name `Very Long` is not formed as `[a-z][a-z0-9_-]{0,63}`; choose one with `#[route(name = \"…\")]`",
                ],
            ),
            (
                "enum Size { Größe }",
                &[
                    "arm name `größe` is not formed as `[a-z][a-z0-9_-]{0,63}`; choose one with `#[route(name = \"…\")]`",
                ],
            ),
            (
                r#"enum Size { #[route(rename = "long")] Long }"#,
                &["unknown setting; `#[route(name = \"…\")]` is the only one"],
            ),
            (
                r#"enum Size { #[route(name = "a", name = "b")] Long }"#,
                &["`name` is given twice"],
            ),
            (
                r#"#[route(name = "a")] enum Size { Long }"#,
                &["`#[route(…)]` goes on a variant"],
            ),
        ];
        for (source, messages) in cases {
            assert_eq!(refused(source), *messages, "{source}");
        }
    }
}
