"""The page: thin handlers over the library, for people who type no commands. `bulksend.web.server` serves it."""
