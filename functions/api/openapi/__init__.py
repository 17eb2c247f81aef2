"""The description of the API (OpenAPI 3.1), and the pages made from it. Loaded when they are built, never by a request.

    schemas      what bodies look like; members, words and limits come from the modules that check and write them
    operations   what stands beside each route: its summary, who may call it, what it answers
    document     routes + operations + schemas → `functions/api/openapi.json`
    page         that document → `functions/api/docs.html`

`make openapi` writes both files; a test fails when they are not what would be written.
"""
