"""The declared state: a document that says what bridges and ports should be, compared with a switch and applied to it."""
