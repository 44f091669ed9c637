// Calls the portal through the vendor's SDK for JavaScript and prints, as JSON, what came of it.
import { B24Hook, B24OAuth } from '@bitrix24/b24jssdk'

const { webhook, oauth, secret, message } = JSON.parse(process.argv[2])
const add = 'imopenlines.crm.message.add'
const text = MESSAGE => ({ ...message, MESSAGE })
const told = {}

const hook = B24Hook.fromWebhookUrl(webhook)
hook.offClientSideWarning()
told.single = (await hook.actions.v2.call.make({ method: add, params: text('Привет & [B]x[/B]') })).getData().result

const batch = await hook.actions.v2.batch.make({
  calls: {
    first: { method: add, params: text('Hello') },
    second: { method: add, params: text('Your code is $result[first], keep it') },
    refused: { method: add, params: { ...text('Hello'), CHAT_ID: 404 } },
    who: { method: 'profile' },
  },
  options: { isHaltOnError: false },
})
told.batch = batch.getData()
told.errors = batch.getErrorMessages()

told.refused = await hook.actions.v2.call.make({ method: add, params: { ...text('Hello'), CHAT_ID: 404 } })
  .then(answer => answer.getErrorMessages().join(), error => error.code)

const app = new B24OAuth(oauth, secret)
for (const number of [1, 2, 3, 4]) {
  await app.actions.v2.call.make({ method: add, params: text(`Row ${number}`) })
}
console.log(JSON.stringify(told))
process.exit(0)
