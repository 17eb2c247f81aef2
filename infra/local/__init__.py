"""Waybill on this machine: the real `template.yaml` on MiniStack, an AWS in one local process.

embedded.py   start and stop the MiniStack process
package.py    code folders → zip files, the template → what MiniStack can take
deploy.py     create or update the stack, its users, and what MiniStack leaves out
stack.py      all of that as one context manager (`make demo`, the end-to-end tests, `make up`)
up.py         `make up`
demo.py       `make demo`, with the data of cities.py
"""
