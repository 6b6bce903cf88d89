//! What a module was made of, written into it: the compilers of Python and JavaScript do not say, and inside they are
//! written in C and Rust.

use wasm_encoder::{ProducersField, ProducersSection, Section as _};

/// Adds a producers section that names the language, and the tool that made the component.
pub(super) fn name(component: &mut Vec<u8>, language: (&str, &str), tool: (&str, &str)) {
    let mut section = ProducersSection::new();
    for (field, (name, version)) in [("language", language), ("processed-by", tool)] {
        let mut values = ProducersField::new();
        values.value(name, version);
        section.field(field, &values);
    }
    // A custom section is encoded alike in modules and components, and may come last.
    section.append_to(component);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inspection;

    #[test]
    fn a_named_component_tells_its_language_and_tool() {
        let mut component = wasm_encoder::Component::new().finish();
        name(&mut component, ("Python", "3.14"), ("componentize-py", "0.25.1"));
        let inspection = Inspection::of(&component);
        assert_eq!(inspection.language.as_deref(), Some("Python 3.14"));
        assert_eq!(inspection.tools, ["componentize-py 0.25.1"]);
    }
}
