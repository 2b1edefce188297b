"""The console script: one module a verb, imported only when the verb is called."""
