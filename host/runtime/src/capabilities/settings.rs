//! `settings`: the controller's part of the host's configuration, as JSON text.

use crate::call::Call;
use crate::wit::bindings::polyreme::controller::settings::Host;

impl Host for Call {
    fn get(&mut self) -> String {
        self.session.settings.as_ref().to_owned()
    }
}
