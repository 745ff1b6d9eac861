//! What is wired wrongly does not compile, and the compiler says why in the words of this library.

#[test]
fn wrong_definitions_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
