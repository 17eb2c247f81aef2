"""Waybill on this machine: the real `template.yaml` on MiniStack, an AWS in one local process.

claim.py      a port and its state, which one `make up` at a time has
embedded.py   start and stop the MiniStack process
package.py    code folders → zip files, the template → what MiniStack can take
deploy.py     create or update the stack, its users, and what MiniStack leaves out
stack.py      all of that as one context manager (`make demo`, the end-to-end tests, `make up`)
up.py         `make up`
stack_file.py where other programs find the stack of `make up`
examples.py   the data that a new `make up` starts with
demo.py       `make demo`, with the data of cities.py
"""
