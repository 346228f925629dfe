"""Bindings of the C core, one module a folder of native/. No logic lives here."""
