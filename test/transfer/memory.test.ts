import { memoryDestination } from '../../src/transfer/memory.ts'
import { describeDestination } from '../suites/destination.ts'

describeDestination('memory', async () => ({ destination: memoryDestination(), remove: async () => {} }))
