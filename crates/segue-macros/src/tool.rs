//! `#[tool]`: an async function becomes a tool beside itself.
//!
//! The function keeps its name and its body: it is what a test calls. The tool is a type of the same name with braces,
//! `price {}`. A unit struct would read shorter, but a constant named `price` makes every `let price = …` in its module an
//! error, and tools are named with nouns that the code around them needs.

mod settings;
mod signature;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ItemFn};

use self::settings::Settings;
use self::signature::Signature;
use crate::faults::Faults;
use crate::{docs, name};

/// Writes the function and its tool.
///
/// # Errors
///
/// All that keeps the function from being a tool, of its settings, documentation and signature.
pub(crate) fn expand(settings: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        syn::Error::new(error.span(), format!("`#[tool]` goes on an `async fn`: {error}"))
    })?;

    let mut faults = Faults::default();
    let settings = faults.keep(Settings::parse(settings));
    let signature = faults.keep(Signature::read(&function));
    let description = docs::text(&function.attrs);
    if description.is_none() {
        faults.at(
            &function.sig.ident,
            "a tool is documented: the model chooses it by its `///` lines",
        );
    }
    let name = settings
        .as_ref()
        .and_then(Settings::name)
        .unwrap_or_else(|| name::of(&function.sig.ident));
    if !name::is_dotted(&name) {
        faults.at(
            &function.sig.ident,
            format!(
                "tool name `{name}` is not formed as `[a-z][a-z0-9_-]{{0,63}}`, or several joined by dots"
            ),
        );
    }
    faults.check()?;

    let (Some(settings), Some(signature), Some(description)) = (settings, signature, description) else {
        return Err(syn::Error::new(
            Span::call_site(),
            "`#[tool]` cannot read this function",
        ));
    };
    Ok(write(&function, &settings, &signature, &name, &description))
}

fn write(
    function: &ItemFn,
    settings: &Settings,
    signature: &Signature,
    name: &str,
    description: &str,
) -> TokenStream {
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let conditions: Vec<_> = function
        .attrs
        .iter()
        .filter(|attribute| is_condition(attribute))
        .collect();
    let title = format!("The tool `{name}`; see the function [`{ident}`](fn@{ident}).");
    let plain = signature.without_documentation(function);
    let arguments = write_arguments(signature);
    let implementation = write_implementation(ident, settings, signature, name, description);
    quote! {
        #plain

        #(#conditions)*
        #[doc = #title]
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug)]
        #visibility struct #ident {}

        #(#conditions)*
        const _: () = {
            #arguments
            #implementation
        };
    }
}

/// The arguments as one value, which carries the schema and refuses what it does not name.
fn write_arguments(signature: &Signature) -> TokenStream {
    let fields = signature.parameters.iter().map(|parameter| {
        let (attributes, name, ty) = (&parameter.attributes, &parameter.name, &parameter.ty);
        quote! { #(#attributes)* #name: #ty }
    });
    quote! {
        #[derive(::segue::__private::serde::Deserialize, ::segue::__private::schemars::JsonSchema)]
        #[serde(crate = "::segue::__private::serde", deny_unknown_fields)]
        #[schemars(crate = "::segue::__private::schemars")]
        struct __Arguments {
            #(#fields),*
        }
    }
}

fn write_implementation(
    ident: &Ident,
    settings: &Settings,
    signature: &Signature,
    name: &str,
    description: &str,
) -> TokenStream {
    let class = settings
        .class()
        .map(|class| quote! { .class(::segue::ToolClass::#class) });
    let values = signature.parameters.iter().map(|parameter| {
        let name = &parameter.name;
        quote! { arguments.#name }
    });
    let bad_arguments = format!("arguments of tool `{name}`: {{}}");
    let bad_output = format!("output of tool `{name}` is not JSON: {{}}");
    // Under the return type, so that an output that is not `Serialize` is shown where it is written.
    let output = quote_spanned! {signature.output.span()=>
        ::segue::__private::serde_json::to_value(output)
    };
    quote! {
        #[automatically_derived]
        impl ::segue::Tool for #ident {
            fn spec(&self) -> ::segue::ToolSpec {
                let mut settings = ::segue::__private::schemars::generate::SchemaSettings::draft2020_12();
                settings.meta_schema = ::core::option::Option::None;
                // Not every model follows a reference.
                settings.inline_subschemas = true;
                let mut schema = settings.into_generator().into_root_schema_for::<__Arguments>();
                schema.remove("title");
                // Some models refuse an object without it, also when there are no arguments.
                schema
                    .ensure_object()
                    .entry("properties")
                    .or_insert_with(|| ::segue::__private::serde_json::Value::Object(::core::default::Default::default()));
                ::segue::ToolSpec::new(#name, #description, schema.to_value()) #class
            }

            fn call<'a>(
                &'a self,
                cx: ::segue::ToolCx,
                arguments: ::segue::__private::serde_json::Value,
            ) -> ::segue::__private::BoxFuture<
                'a,
                ::core::result::Result<::segue::__private::serde_json::Value, ::segue::StepError>,
            > {
                ::std::boxed::Box::pin(async move {
                    // A model that has nothing to say sends nothing.
                    let arguments = if arguments.is_null() {
                        ::segue::__private::serde_json::Value::Object(::core::default::Default::default())
                    } else {
                        arguments
                    };
                    let arguments = ::segue::__private::serde_json::from_value::<__Arguments>(arguments)
                        .map_err(|error| {
                            ::segue::StepError::bad_arguments(::std::format!(#bad_arguments, error))
                        })?;
                    let output = #ident(cx, #(#values),*).await?;
                    #output.map_err(|error| ::segue::StepError::fatal(::std::format!(#bad_output, error)))
                })
            }
        }
    }
}

/// What holds for the function holds for its tool: both are there or neither is.
fn is_condition(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: &str, item: &str) -> Vec<String> {
        let settings = settings.parse().expect("the test is Rust");
        let item = item.parse().expect("the test is Rust");
        let error = expand(settings, item).expect_err("the test is refused");
        error.into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_tool_is_documented() {
        assert_eq!(
            refused("", "async fn price(cx: ToolCx) -> Result<u8> { Ok(1) }"),
            ["a tool is documented: the model chooses it by its `///` lines"],
        );
    }

    #[test]
    fn a_tool_is_a_function() {
        let messages = refused("", "struct Price;");
        assert_eq!(messages, ["`#[tool]` goes on an `async fn`: expected `fn`"]);
    }

    #[test]
    fn faults_of_all_parts_are_named_at_once() {
        assert_eq!(
            refused("class = pure", "fn Price(symbol: &str) {}").len(),
            7,
            "class, `async`, context, reference, return type, documentation and name",
        );
    }
}
